import { Pace } from "./_pace.ts";
import { PIECE, readLarge, type ReadRequest } from "./_read_content.ts";

const BLOCK = 512;

/** A step of making a layer: bytes of it, or nothing, where others may work meanwhile. */
export type Step = Uint8Array | undefined | ReadRequest;

/** Runs the steps: small pieces are joined, and others work in between. */
export async function* runSteps(
  steps: Iterable<Step>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let piece = new Uint8Array(PIECE);
  let filled = 0;
  const pace = new Pace();
  for (const step of steps) {
    if (pace.isOver) await pace.rest(signal);
    if (step === undefined) continue;
    if (!(step instanceof Uint8Array)) {
      if (filled > 0) yield piece.subarray(0, filled);
      piece = new Uint8Array(PIECE);
      filled = 0;
      for await (const bytes of readLarge(step)) {
        signal?.throwIfAborted();
        yield bytes;
      }
      continue;
    }
    if (filled + step.length > PIECE) {
      signal?.throwIfAborted();
      if (filled > 0) yield piece.subarray(0, filled);
      piece = new Uint8Array(PIECE);
      filled = 0;
    }
    if (step.length > PIECE) yield step;
    else {
      piece.set(step, filled);
      filled += step.length;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
  yield new Uint8Array(2 * BLOCK);
}
