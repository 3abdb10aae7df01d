/**
 * System calls of Linux as typed functions, through libc and Deno's FFI.
 *
 * Nothing is opened at import: the library is loaded by the first call.
 *
 * ```ts
 * import { openAt } from "@containerkit/libc";
 * import { assert } from "@std/assert";
 *
 * using fd = openAt(undefined, "/etc/hostname");
 * assert(fd.number > 2);
 * ```
 *
 * @module
 */

export * from "./c_string.ts";
export * from "./errno.ts";
export * from "./errno_name.ts";
export * from "./fd.ts";
export * from "./library.ts";
export * from "./open_at.ts";
export * from "./open_at2.ts";
export * from "./syscall_error.ts";
export * from "./unshare.ts";
