/**
 * Declarations of calls of libc, for tables of one's own.
 *
 * ```ts
 * import { library } from "@containerkit/libc";
 * import { FILE_CALLS, OPEN_CALLS } from "@containerkit/libc/calls";
 *
 * const { openat, close } = OPEN_CALLS;
 * const { mkdirat } = FILE_CALLS;
 * using _symbols = library({ openat, close, mkdirat });
 * ```
 *
 * @module
 */

export * from "./file_calls.ts";
export * from "./open_calls.ts";
export * from "./xattr_calls.ts";
