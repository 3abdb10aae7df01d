/**
 * Kernel parameters of the network.
 *
 * @module
 */

import {
  type Fd,
  openAt,
  openAt2,
  OpenFlag,
  read,
  Resolve,
  SyscallError,
  write,
} from "@containerkit/libc";
import { NetNs, type NetNsSource } from "./net_ns.ts";

/** Options of {@linkcode readSysctl} and {@linkcode writeSysctl}. */
export interface SysctlOptions {
  /**
   * The namespace whose parameter it is.
   *
   * @default {the one the thread is in}
   */
  readonly netns?: NetNsSource | undefined;
}

const LARGEST = 4096;

/** `net.ipv4.ip_forward` or, where a link's name has a dot, `net/ipv4/conf/eth0.1/forwarding`. */
function pathOf(name: string): string {
  const path = name.includes("/") ? name : name.replaceAll(".", "/");
  if (!/^net\/(?!.*(?:^|\/)\.{0,2}(?:\/|$))/.test(path)) {
    throw new TypeError(
      `Cannot use the parameter ${
        JSON.stringify(name)
      }: expected one of net, such as net.ipv4.ip_forward`,
    );
  }
  return path;
}

/** The kernel looks at the thread's namespace when the file is opened. */
function open(name: string, flags: number): Fd {
  const path = pathOf(name);
  using root = openAt(undefined, "/proc/sys", OpenFlag.DIRECTORY);
  return openAt2(root, path, {
    flags,
    resolve: Resolve.BENEATH | Resolve.NO_SYMLINKS,
  });
}

function inside<T>(source: NetNsSource | undefined, fn: () => T): T {
  if (source === undefined) return fn();
  if (source instanceof NetNs) return source.run(fn as never);
  using netns = NetNs.open(source.path);
  return netns.run(fn as never);
}

/**
 * Reads a kernel parameter of a network namespace, see `ip-sysctl` in the
 * kernel's documentation.
 *
 * @param name The parameter, with dots or slashes; below `net`.
 * @param options Whose it is.
 * @returns The value, without the newline.
 * @throws {TypeError} If the name is not below `net`.
 * @throws {SyscallError} If there is none, or it cannot be read.
 *
 * @see https://docs.kernel.org/networking/ip-sysctl.html
 *
 * @example Usage
 * ```ts
 * import { readSysctl } from "@containerkit/network";
 * import { assertMatch } from "@std/assert";
 *
 * assertMatch(readSysctl("net.ipv4.ip_forward"), /^[01]$/);
 * ```
 */
export function readSysctl(name: string, options: SysctlOptions = {}): string {
  using fd = inside(options.netns, () => open(name, OpenFlag.RDONLY));
  const buffer = new Uint8Array(LARGEST);
  const count = read(fd, buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count)).trimEnd();
}

/**
 * Sets a kernel parameter of a network namespace.
 *
 * Nothing else in this package sets one without being asked to. Forwarding,
 * which containers need to reach others than the host, is
 * `net.ipv4.ip_forward` and `net.ipv6.conf.all.forwarding`; the latter makes
 * the host ignore router advertisements unless its links have `accept_ra=2`.
 *
 * @param name The parameter, with dots or slashes; below `net`.
 * @param value The value.
 * @param options Whose it is.
 * @throws {TypeError} If the name is not below `net`.
 * @throws {SyscallError} If there is none, or the kernel refuses the value.
 *
 * @see https://docs.kernel.org/networking/ip-sysctl.html
 *
 * @example Usage
 * ```ts ignore
 * import { writeSysctl } from "@containerkit/network";
 *
 * writeSysctl("net.ipv4.ip_forward", "1");
 * ```
 */
export function writeSysctl(
  name: string,
  value: string,
  options: SysctlOptions = {},
): void {
  using fd = inside(options.netns, () => open(name, OpenFlag.WRONLY));
  try {
    write(fd, new TextEncoder().encode(value));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SyscallError(`set the parameter "${name}" to "${value}"`, {
      syscall: "write",
      errno: error.errno,
    });
  }
}
