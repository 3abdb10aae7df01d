/**
 * Properties of descriptors.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { files } from "./_files.ts";
import { errno } from "./errno.ts";
import type { Fd } from "./fd.ts";

/** Commands of {@linkcode fcntl}, see fcntl(2). */
export const FcntlCommand = {
  /** Flags of the descriptor: 1 is close-on-exec. */
  GETFD: 1,
  SETFD: 2,
  /** How it was opened, see `OpenFlag`. */
  GETFL: 3,
  SETFL: 4,
  /** A second descriptor of the same file, close-on-exec: wrap the result in an `Fd`. */
  DUPFD_CLOEXEC: 1030,
  /** The capacity of a pipe in bytes. */
  SETPIPE_SZ: 1031,
  GETPIPE_SZ: 1032,
  /** What may no longer be done to a memory file. */
  ADD_SEALS: 1033,
  GET_SEALS: 1034,
} as const;

/**
 * Reads or changes a property of a descriptor, as fcntl(2) does.
 *
 * @param file The descriptor.
 * @param command Of {@linkcode FcntlCommand}.
 * @param argument What the command takes.
 * @returns What the command gives.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Every descriptor is close-on-exec
 * ```ts
 * import { fcntl, FcntlCommand, openAt } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * using file = openAt(undefined, "/etc/hostname");
 * assertEquals(fcntl(file, FcntlCommand.GETFD), 1);
 * ```
 */
export function fcntl(file: Fd, command: number, argument = 0): number {
  const result = files().fcntl(file.number, command, BigInt(argument));
  if (result >= 0) return result;
  throw failure(
    errno(),
    "fcntl",
    `do command ${command} on descriptor ${file.number}`,
  );
}
