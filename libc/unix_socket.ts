/**
 * Unix sockets whose descriptors are at hand.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { sockets } from "./_sockets.ts";
import { cString } from "./c_string.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { openAt, OpenFlag } from "./open_at.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
/** `SOCK_CLOEXEC` and `SOCK_NONBLOCK` are the flags of open(2). */
const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;
const EINTR = 4;
const EAGAIN = 11;
/** `sun_path` without its NUL. */
const PATH_LIMIT = 107;

/** Options of {@linkcode socketPair}. */
export interface SocketPairOptions {
  /**
   * Neither end waits.
   *
   * @default {false}
   */
  nonblocking?: boolean;
}

/**
 * Makes two connected unix stream sockets, as socketpair(2) does.
 *
 * @param options Whether they wait.
 * @returns The two ends, close-on-exec.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { socketPair } from "@containerkit/libc";
 *
 * const [a, b] = socketPair();
 * using _a = a;
 * using _b = b;
 * ```
 */
export function socketPair(options: SocketPairOptions = {}): [Fd, Fd] {
  const type = SOCK_STREAM | CLOEXEC | (options.nonblocking ? NONBLOCK : 0);
  const numbers = new Int32Array(2);
  if (sockets().socketpair(AF_UNIX, type, 0, numbers) === 0) {
    return [new Fd(numbers[0]!), new Fd(numbers[1]!)];
  }
  throw failure(errno(), "socketpair", "make a pair of sockets");
}

/** Calls it with an address for the path: one that is too long goes by way of its open folder. */
function withAddress<T>(
  path: string,
  use: (address: Uint8Array<ArrayBuffer>) => T,
): T {
  const bytes = cString(path);
  if (bytes.length - 1 <= PATH_LIMIT) return use(address(bytes));
  const slash = path.lastIndexOf("/");
  using folder = openAt(
    undefined,
    path.slice(0, slash + 1) || ".",
    OpenFlag.PATH | OpenFlag.DIRECTORY,
  );
  const short = cString(
    `/proc/self/fd/${folder.number}/${path.slice(slash + 1)}`,
  );
  if (short.length - 1 > PATH_LIMIT) {
    throw new RangeError(
      `Cannot use the socket "${path}": its name has more than ${PATH_LIMIT} bytes`,
    );
  }
  return use(address(short));
}

function address(path: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2 + path.length);
  bytes[0] = AF_UNIX;
  bytes.set(path, 2);
  return bytes;
}

/**
 * Listens on a unix stream socket, as bind(2) and listen(2) do. `Deno.listen` has no descriptor to hand over or to wait on beside others.
 *
 * @param path Where; must not exist. Longer than the kernel's 107 bytes is fine.
 * @returns The socket, nonblocking and close-on-exec: wait with `waitReadable()`, then `accept()`.
 * @throws {SyscallError} If the kernel refuses: `EADDRINUSE` if the path exists.
 *
 * @example Usage
 * ```ts
 * import { accept, connectUnix, listenUnix, waitReadable } from "@containerkit/libc";
 *
 * const folder = Deno.makeTempDirSync();
 * {
 *   using listener = listenUnix(`${folder}/socket`);
 *   using _client = connectUnix(`${folder}/socket`);
 *   await waitReadable(listener);
 *   using _server = accept(listener);
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function listenUnix(path: string): Fd {
  const socket = open(NONBLOCK);
  try {
    withAddress(path, (address) => {
      if (sockets().bind(socket.number, address, address.length) === 0) return;
      throw failure(errno(), "bind", `listen on "${path}"`, path);
    });
    if (sockets().listen(socket.number, 128) !== 0) {
      throw failure(errno(), "listen", `listen on "${path}"`, path);
    }
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

/**
 * Connects to a unix stream socket, as connect(2) does.
 *
 * @param path Where somebody listens.
 * @returns The socket, close-on-exec.
 * @throws {SyscallError} If the kernel refuses: `ECONNREFUSED` if nobody listens.
 *
 * @example Usage
 * ```ts ignore
 * import { connectUnix, sendMessage } from "@containerkit/libc";
 *
 * using socket = connectUnix("/run/service/socket");
 * sendMessage(socket, new TextEncoder().encode("hello\n"));
 * ```
 */
export function connectUnix(path: string): Fd {
  const socket = open(0);
  try {
    withAddress(path, (address) => {
      for (;;) {
        const result = sockets().connect(
          socket.number,
          address,
          address.length,
        );
        if (result === 0) return;
        const code = errno();
        if (code !== EINTR) {
          throw failure(code, "connect", `connect to "${path}"`, path);
        }
      }
    });
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

function open(flags: number): Fd {
  const number = sockets().socket(AF_UNIX, SOCK_STREAM | CLOEXEC | flags, 0);
  if (number >= 0) return new Fd(number);
  throw failure(errno(), "socket", "make a socket");
}

/**
 * Takes the next connection of a listening socket, as accept4(2) does.
 *
 * @param listener The listening socket.
 * @returns The connection, nonblocking and close-on-exec; `undefined` if there is none now.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Nobody there
 * ```ts
 * import { accept, listenUnix } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * {
 *   using listener = listenUnix(`${folder}/socket`);
 *   assertEquals(accept(listener), undefined);
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function accept(listener: Fd): Fd | undefined {
  for (;;) {
    const number = sockets().accept4(
      listener.number,
      null,
      null,
      CLOEXEC | NONBLOCK,
    );
    if (number >= 0) return new Fd(number);
    const code = errno();
    if (code === EAGAIN) return undefined;
    if (code !== EINTR) throw failure(code, "accept4", "accept a connection");
  }
}
