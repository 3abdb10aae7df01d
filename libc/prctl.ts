/**
 * Properties of this process.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { processes } from "./_processes.ts";
import { errno } from "./errno.ts";

/** Some of what {@linkcode prctl} can set or read. */
export const PrctlOption = {
  /** The signal this thread gets when its parent thread ends. */
  SET_PDEATHSIG: 1,
  /** 1: orphans among the descendants become children of this process. */
  SET_CHILD_SUBREAPER: 36,
  /** 1: no program that this thread starts gains rights. */
  SET_NO_NEW_PRIVS: 38,
} as const;

/**
 * Sets or reads a property of this process or thread, as prctl(2) does.
 *
 * @param option Of {@linkcode PrctlOption}, or another number.
 * @param argument What the option takes.
 * @returns What the option gives.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Adopt orphans, so that their exit status can be read
 * ```ts
 * import { prctl, PrctlOption } from "@containerkit/libc";
 *
 * prctl(PrctlOption.SET_CHILD_SUBREAPER, 1);
 * prctl(PrctlOption.SET_CHILD_SUBREAPER, 0);
 * ```
 */
export function prctl(option: number, argument: number | bigint = 0): number {
  const result = processes().prctl(option, BigInt(argument), 0n, 0n, 0n);
  if (result >= 0) return result;
  throw failure(errno(), "prctl", `set property ${option} of this process`);
}
