import { type Library, library } from "./library.ts";
import { XATTR_CALLS } from "./xattr_calls.ts";

/** Calls on extended attributes, opened by the first of them. */
export const xattrs: Library<typeof XATTR_CALLS> = library(XATTR_CALLS);
