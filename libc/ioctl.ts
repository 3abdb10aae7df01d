/**
 * Requests to devices and filesystems.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** Options of {@linkcode ioctl}. */
export interface IoctlOptions {
  /** What the request takes: a number, or the memory of a structure that the kernel reads or writes. */
  argument?: number | bigint | Uint8Array<ArrayBuffer>;
  /** What is being done, for the error: as in `set the size of the terminal`. */
  action?: string;
  /** Its name, for the error, such as `TIOCSWINSZ`. */
  name?: string;
  /** The file it is about, for the error. */
  path?: string;
}

/**
 * Asks a device or filesystem for something, as ioctl(2) does.
 *
 * @param file The open device or file.
 * @param request The number of the request.
 * @param options Its argument, and words for the error.
 * @returns What the request gives, 0 for most.
 * @throws {SyscallError} If it refuses: `ENOTTY` if it does not know the request.
 * @throws {RangeError} If the memory is smaller than the request says that its structure is.
 *
 * @example Which namespace is this
 * ```ts
 * import { ioctl, openAt } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const NS_GET_NSTYPE = 0xb703;
 * using namespace = openAt(undefined, "/proc/self/ns/net");
 * assertEquals(ioctl(namespace, NS_GET_NSTYPE), 0x40000000);
 * ```
 */
export function ioctl(
  file: Fd,
  request: number,
  options: IoctlOptions = {},
): number {
  const { argument = 0 } = options;
  const number = BigInt(request);
  let result;
  if (argument instanceof Uint8Array) {
    checkRoom(request, argument, options);
    result = files().ioctl_buffer(file.number, number, argument);
  } else result = files().ioctl(file.number, number, BigInt(argument));
  if (result >= 0) return result;
  throw failure(
    errno(),
    options.name === undefined ? "ioctl" : `ioctl ${options.name}`,
    options.action ??
      `do request 0x${request.toString(16)} on descriptor ${file.number}`,
    options.path,
  );
}

/** Most requests say how large their structure is, in bits 16 to 29: the kernel would write past a smaller one. */
function checkRoom(
  request: number,
  { length }: Uint8Array,
  { name = `0x${request.toString(16)}` }: IoctlOptions,
): void {
  const size = (request >>> 16) & 0x3fff;
  if (length >= size) return;
  throw new RangeError(
    `Cannot do ioctl ${name}: its structure has ${size} bytes, ${length} are given`,
  );
}
