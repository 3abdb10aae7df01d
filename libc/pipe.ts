/**
 * Pipes.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { processes } from "./_processes.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { OpenFlag } from "./open_at.ts";

const O_CLOEXEC = 0o2000000;

/** Options of {@linkcode pipe}. */
export interface PipeOptions {
  /**
   * Neither end waits.
   *
   * @default {false}
   */
  nonblocking?: boolean;
}

/**
 * Makes a pipe, as pipe2(2) does.
 *
 * @param options Whether its ends wait.
 * @returns The end to read and the end to write, close-on-exec.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { pipe, read, write } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const [reader, writer] = pipe();
 * using _reader = reader;
 * using _writer = writer;
 * write(writer, new Uint8Array([1, 2, 3]));
 * assertEquals(read(reader, new Uint8Array(10)), 3);
 * ```
 */
export function pipe(
  options: PipeOptions = {},
): [reader: Fd, writer: Fd] {
  const numbers = new Int32Array(2);
  const flags = O_CLOEXEC | (options.nonblocking ? OpenFlag.NONBLOCK : 0);
  if (processes().pipe2(numbers, flags) === 0) {
    return [new Fd(numbers[0]!), new Fd(numbers[1]!)];
  }
  throw failure(errno(), "pipe2", "make a pipe");
}
