/**
 * Network namespaces.
 *
 * @module
 */

import {
  CloneFlag,
  Fd,
  ioctl,
  openAt,
  setNs,
  SyscallError,
  unshare,
} from "@containerkit/libc";
import { CURRENT, excursion } from "./_excursion.ts";
import { isNetNs } from "./_is_net_ns.ts";
import { ownCookie } from "./_net_ns_cookie.ts";
import { pinAt } from "./_net_ns_pin.ts";
import { removeNetNs } from "./remove_net_ns.ts";

const SIOCGSKNS = 0x894c;
const PIDFD_GET_NET_NAMESPACE = 0xff04;

/** Options of {@linkcode NetNs.create}. */
export interface NetNsCreateOptions {
  /**
   * An absolute path to pin it at: it then lives until that is removed. Its
   * folder is made if it is missing.
   *
   * @default {undefined}
   */
  readonly path?: string;
}

/** Where a namespace can be named: by an object that is open, or by path. */
export type NetNsSource = NetNs | { readonly path: string };

function isAsync(fn: unknown): boolean {
  const tag = Object.prototype.toString.call(fn);
  return tag === "[object AsyncFunction]" ||
    tag === "[object AsyncGeneratorFunction]";
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

/**
 * A network namespace, held open by a descriptor; see network_namespaces(7).
 *
 * Disposing one that {@linkcode NetNs.create} pinned removes the pin, unless
 * {@linkcode NetNs.keep} was called; disposing others lets go of them only. A namespace lives as long as a
 * process, a pin, a descriptor or a socket in it does.
 *
 * @example Usage
 * ```ts ignore
 * import { NetNs } from "@containerkit/network";
 *
 * using netns = NetNs.create({ path: "/run/netns/blue" });
 * const server = netns.run(() => Deno.listen({ port: 80 }));
 * ```
 */
export class NetNs implements Disposable {
  readonly #fd: Fd;
  #path: string | undefined;
  #owned: boolean;
  #cookie: bigint | undefined;
  #isClosed = false;

  private constructor(fd: Fd, path: string | undefined, owned: boolean) {
    this.#fd = fd;
    this.#path = path;
    this.#owned = owned;
  }

  /**
   * Makes a new, empty namespace. Its loopback link is down.
   *
   * @param options Where to pin it; without a path it lives as long as it is held.
   * @returns The namespace.
   * @throws {SyscallError} If the kernel refuses: `EPERM` without root, `EEXIST` if something is at the path.
   */
  static create(options: NetNsCreateOptions = {}): NetNs {
    const { path } = options;
    const fd = excursion(() => {
      unshare(CloneFlag.NEWNET);
      const fd = openAt(undefined, CURRENT);
      try {
        if (path !== undefined) pinAt(CURRENT, path);
        return fd;
      } catch (error) {
        fd.close();
        throw error;
      }
    });
    return new NetNs(fd, path, path !== undefined);
  }

  /**
   * Opens the one that is pinned at a path, or a file such as `/proc/1/ns/net`.
   *
   * @param path Where it is.
   * @returns The namespace.
   * @throws {SyscallError} If it cannot be opened.
   * @throws {TypeError} If the file is no network namespace, as when its pin was unmounted.
   */
  static open(path: string): NetNs {
    const fd = openAt(undefined, path);
    if (!isNetNs(fd)) {
      fd.close();
      throw new TypeError(
        `Cannot open the network namespace "${path}": the file is none; was its pin unmounted?`,
      );
    }
    return new NetNs(fd, path, false);
  }

  /**
   * Opens the one a process is in.
   *
   * @param pid The process.
   * @returns The namespace.
   * @throws {SyscallError} If there is no such process, or it is another user's.
   */
  static fromPid(pid: number): NetNs {
    const fd = openAt(undefined, `/proc/${pid}/ns/net`);
    return new NetNs(fd, undefined, false);
  }

  /**
   * Opens the one a process is in, by a descriptor that no other process can come to mean.
   *
   * @param pidfd A descriptor of pidfd_open(2); it stays the caller's.
   * @returns The namespace.
   * @throws {SyscallError} If the process has ended.
   */
  static fromPidFd(pidfd: Fd): NetNs {
    return new NetNs(openByPidFd(pidfd), undefined, false);
  }

  /**
   * Opens the one that a socket is in.
   *
   * @param socket The socket; it stays the caller's.
   * @returns The namespace.
   * @throws {SyscallError} If it is no socket, or the kernel refuses: `EPERM` without root.
   */
  static fromSocket(socket: Fd): NetNs {
    const number = ioctl(socket, SIOCGSKNS, {
      name: "SIOCGSKNS",
      action: "open the network namespace of a socket",
    });
    return new NetNs(new Fd(number), undefined, false);
  }

  /**
   * Opens the one this thread is in.
   *
   * @returns The namespace.
   */
  static current(): NetNs {
    return new NetNs(openAt(undefined, CURRENT), undefined, false);
  }

  get #open(): Fd {
    if (!this.#isClosed) return this.#fd;
    const where = this.#path === undefined ? "" : ` "${this.#path}"`;
    throw new Deno.errors.BadResource(
      `Cannot use the network namespace${where}: it is closed`,
    );
  }

  /**
   * The descriptor's number, for requests that name a namespace.
   *
   * @throws {Deno.errors.BadResource} If it is closed.
   */
  get fd(): number {
    return this.#open.number;
  }

  /** Where it is pinned or was opened. */
  get path(): string | undefined {
    return this.#path;
  }

  /**
   * Identifies it until the next boot; no other namespace ever gets the same.
   * The inode number, which `lsns` shows, is used again at once.
   */
  get cookie(): bigint {
    this.#cookie ??= this.run(ownCookie);
    return this.#cookie;
  }

  /**
   * Pins it: it then lives until the path is removed, which disposing this object does.
   *
   * @param path An absolute path where nothing is yet.
   * @throws {SyscallError} If the kernel refuses.
   * @throws {TypeError} If it is pinned already.
   */
  pin(path: string): void {
    if (this.#owned) {
      throw new TypeError(
        `Cannot pin the network namespace at "${path}": it is pinned at "${this.#path}"`,
      );
    }
    pinAt(`/proc/thread-self/fd/${this.fd}`, path);
    this.#path = path;
    this.#owned = true;
  }

  /**
   * Runs a function while this thread is in the namespace.
   *
   * Strictly synchronous. Sockets made inside stay in the namespace for life,
   * so `Deno.listen`, `Deno.serve`, `Deno.connect` to an IP address and
   * `Deno.Command` do what one hopes. What defers its work does not: anything
   * after an `await`, asynchronous file calls, connecting by host name, and
   * the servers of `node:net` and `node:http`, which bind a tick later, in the
   * home namespace. An asynchronous call started inside can also take a thread
   * of the pool along, which then stays there: do not start one.
   *
   * @typeParam T What the function returns; no promise.
   * @param fn The function.
   * @returns What the function returns.
   * @throws {TypeError} If the function is asynchronous, or returns a promise.
   * @throws {SyscallError} If the kernel refuses to enter.
   * @throws {Deno.errors.BadResource} If it is closed.
   */
  run<T>(fn: () => T extends PromiseLike<unknown> ? never : T): T {
    if (isAsync(fn)) {
      throw new TypeError(
        "Cannot run an asynchronous function in a network namespace: it would go on in another",
      );
    }
    const netns = this.#open;
    const result: T = excursion(() => {
      setNs(netns, CloneFlag.NEWNET);
      return fn();
    });
    if (isThenable(result)) {
      throw new TypeError(
        "Cannot run a function that returns a promise in a network namespace: it would go on in another",
      );
    }
    return result;
  }

  /** Leaves the pin in place: disposing then only closes the descriptor. */
  keep(): void {
    this.#owned = false;
  }

  /** Closes the descriptor; a pin stays. */
  close(): void {
    this.#isClosed = true;
    this.#fd.close();
  }

  /** Removes the pin if this object made it, and closes the descriptor. */
  [Symbol.dispose](): void {
    this.close();
    if (this.#owned && this.#path !== undefined) removeNetNs(this.#path);
    this.#owned = false;
  }
}

function openByPidFd(pidfd: Fd): Fd {
  try {
    return new Fd(ioctl(pidfd, PIDFD_GET_NET_NAMESPACE));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
  // Before Linux 6.11 the way there is to go there.
  return excursion(() => {
    setNs(pidfd, CloneFlag.NEWNET);
    return openAt(undefined, CURRENT);
  });
}
