/** Why nothing can be written to a standard input. */
export type BrokenPipeReason = "nobody reads it any more" | "it is closed";

/** Deno's error of who writes to a standard input in vain. */
export const brokenPipe = (reason: BrokenPipeReason): Error =>
  new Deno.errors.BrokenPipe(`Cannot write to the standard input: ${reason}`);
