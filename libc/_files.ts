import { FILE_CALLS } from "./file_calls.ts";
import { type Library, library } from "./library.ts";

/** Calls on files, opened by the first of them. */
export const files: Library<typeof FILE_CALLS> = library(FILE_CALLS);
