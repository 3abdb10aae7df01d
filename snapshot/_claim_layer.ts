import type { LayerSource } from "./layer_source.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Snapshotter } from "./snapshotter.ts";
import type { UnpackOptions } from "./unpack_options.ts";

const SHORTEST_PAUSE = 5;
const LONGEST_PAUSE = 100;

/** A layer on its way into the store. */
export interface Step {
  readonly layer: LayerSource;
  readonly chainId: string;
  readonly parent: string | undefined;
}

/** What the steps share. */
export interface Work {
  readonly to: Snapshotter;
  readonly options: UnpackOptions;
  readonly signal: AbortSignal;
  /** The names of the layers that were committed so far, the lowest first. */
  readonly committed: string[];
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", abort, { once: true });
  });
}

/** Whether a layer is there; then it counts as used just now. */
export async function touchLayer(
  { to, signal }: Work,
  chainId: string,
): Promise<boolean> {
  try {
    await to.update(chainId, { labels: {}, signal });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Claims a layer: prepares a snapshot under a key that only one can have, and
 * that is free again when its process dies. Whoever comes second waits.
 *
 * @returns The snapshot, or `undefined` when the layer is there by now.
 */
export async function claimLayer(
  work: Work,
  step: Step,
  options: { onParent: boolean } = { onParent: false },
): Promise<Snapshot | undefined> {
  const { to, options: { onProgress }, signal } = work;
  const { chainId, layer } = step;
  let waited = false;
  for (
    let pause = SHORTEST_PAUSE;;
    pause = Math.min(pause * 2, LONGEST_PAUSE)
  ) {
    signal.throwIfAborted();
    if (await touchLayer(work, chainId)) {
      onProgress?.({ type: "exists", layer, chainId });
      return undefined;
    }
    try {
      const parent = options.onParent ? step.parent : undefined;
      await using claims = new AsyncDisposableStack();
      const claimed = claims.use(
        await to.prepare(`unpack ${chainId}`, parent, {
          transient: true,
          signal,
        }),
      );
      // The one we waited for may have finished in between.
      if (await touchLayer(work, chainId)) continue;
      claims.move();
      return claimed;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    if (!waited) onProgress?.({ type: "wait", layer, chainId });
    waited = true;
    await sleep(pause, signal);
  }
}
