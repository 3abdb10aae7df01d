/** The standard input; whoever waits for it gets the signal's reason when ckit is asked to end. */
export function readStdin(
  signal: AbortSignal,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return Deno.stdin.readable.pipeThrough(new TransformStream(), { signal });
}
