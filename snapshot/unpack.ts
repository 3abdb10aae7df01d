/**
 * From the layers of an image to a snapshot of it.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import { chainIds, DigestMismatchError, parseDigest } from "@containerkit/oci";
import {
  claimLayer,
  type Step,
  touchLayer,
  type Work,
} from "./_claim_layer.ts";
import type { LayerSource } from "./layer_source.ts";
import { LayerError } from "./layer_error.ts";
import { nameLayer } from "./_name_layer.ts";
import { RebaseError } from "./rebase_error.ts";
import type { SnapshotCommit } from "./prepare_options.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Snapshotter } from "./snapshotter.ts";
import type { UnpackOptions } from "./unpack_options.ts";

/** Labels of a layer's annotations that snapshots take over, as containerd has it. */
const INHERITED_PREFIX = "containerd.io/snapshot/";
const CHAIN_LABEL = "containerd.io/snapshot.ref";

/** What {@linkcode unpack} made. */
export interface Unpacked {
  /** The name of the topmost layer in the store: the parent for {@linkcode Snapshotter.prepare}. */
  readonly chainId: string;
}

/** Applies a layer; what goes wrong names it, as an image has many. */
async function apply(
  work: Work,
  step: Step,
  snapshot: Snapshot,
): Promise<void> {
  try {
    await applyProven(work, step.layer, snapshot);
  } catch (error) {
    // What ended it is the caller's, or speaks of another layer.
    if (!work.signal.aborted) nameLayer(error, step.layer.digest);
    throw error;
  }
}

async function applyProven(
  { options, signal }: Work,
  layer: LayerSource,
  snapshot: Snapshot,
): Promise<void> {
  const algorithms = {
    digestAlgorithm: parseDigest(layer.digest).algorithm,
    diffIdAlgorithm: parseDigest(layer.diffId).algorithm,
  };
  const stream = await layer.open({ signal });
  const found = await snapshot.apply(stream, {
    signal,
    ...algorithms,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    onProgress: (bytes) =>
      options.onProgress?.({ type: "apply", layer, bytes }),
  });
  const check = (what: string, expected: string, actual: string) => {
    if (expected === actual) return;
    throw new DigestMismatchError(`unpack layer "${layer.digest}" (${what})`, {
      expected,
      actual,
    });
  };
  check("digest", layer.digest, found.digest);
  check("size", `${layer.size} bytes`, `${found.size} bytes`);
  check("diff ID", layer.diffId, found.diffId);
  options.onProgress?.({ type: "applied", layer });
}

function labelsFor(step: Step, options: UnpackOptions): Record<string, string> {
  const inherited = Object.entries(step.layer.annotations ?? {})
    .filter(([name]) => name.startsWith(INHERITED_PREFIX));
  return {
    ...Object.fromEntries(inherited),
    ...options.labels,
    [CHAIN_LABEL]: step.chainId,
  };
}

function commitOf(work: Work, step: Step, key: string): SnapshotCommit {
  const { to, options } = work;
  const { chainId, layer, parent } = step;
  const lease = typeof options.lease === "object"
    ? options.lease.id
    : options.lease;
  const isRebase = to.capabilities.rebase.supported && parent !== undefined;
  return {
    name: chainId,
    key,
    options: {
      labels: labelsFor(step, options),
      diffId: layer.diffId,
      ...(isRebase ? { parent } : {}),
      ...(lease === undefined ? {} : { lease }),
    },
  };
}

/** A layer and the snapshot it is applied to. */
interface Claimed {
  readonly step: Step;
  readonly snapshot: Snapshot;
}

async function commit(
  work: Work,
  claimed: readonly Claimed[],
  durability: "full" | "none",
): Promise<void> {
  const { to, options, signal } = work;
  if (claimed.length === 0) return;
  const commits = claimed.map(({ step, snapshot }) =>
    commitOf(work, step, snapshot.key)
  );
  await to.commitAll(commits, { durability, signal });
  work.committed.push(...claimed.map(({ step }) => step.chainId));
  for (const { step: { layer, chainId } } of claimed) {
    options.onProgress?.({ type: "commit", layer, chainId });
  }
}

/** Applies all, as many at the same time as allowed; the first failure ends the others. */
async function applyTogether(
  work: Work,
  claimed: readonly Claimed[],
): Promise<void> {
  const { parallel = navigator.hardwareConcurrency } = work.options;
  const failed = new AbortController();
  const signal = AbortSignal.any([work.signal, failed.signal]);
  const queue = claimed.values();
  const worker = async () => {
    for (const { step, snapshot } of queue) {
      signal.throwIfAborted();
      try {
        await apply({ ...work, signal }, step, snapshot);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }
  };
  const length = Math.min(parallel, claimed.length);
  const workers = Array.from({ length }, worker);
  const results = await Promise.allSettled(workers);
  if (failed.signal.aborted) throw failed.signal.reason;
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** Layers that know nothing of each other until they are committed: all at the same time. */
async function unpackTogether(
  work: Work,
  steps: readonly Step[],
): Promise<void> {
  const { durability = "batch" } = work.options;
  await using claims = new AsyncDisposableStack();
  let todo: Claimed[] = [];
  // From the lowest up, as everybody does: who waits here holds nothing that the other waits for.
  for (const step of steps) {
    const snapshot = await claimLayer(work, step);
    if (snapshot === undefined) continue;
    todo.push({ step, snapshot: claims.use(snapshot) });
  }
  try {
    await applyTogether(work, todo);
  } catch (error) {
    if (!(error instanceof LayerError)) throw error;
    // One may need what is below it, such as the target of a hard link: each on its parent then.
    for (const { snapshot } of todo) await snapshot[Symbol.asyncDispose]();
    for (const { step } of todo) await unpackOne(work, step);
    return;
  }
  if (durability === "full") {
    for (const one of todo.splice(0)) await commitOrRetry(work, [one], "full");
  }
  while (todo.length > 0) {
    const once = durability === "none" ? "none" : "full";
    todo = await commitOrRetry(work, todo, once);
  }
}

/**
 * Commits all. Where one must be applied on its parent after all, commits those below it and applies it again.
 *
 * @returns Those that are left.
 */
async function commitOrRetry(
  work: Work,
  claimed: readonly Claimed[],
  durability: "full" | "none",
): Promise<Claimed[]> {
  let at: number;
  try {
    await commit(work, claimed, durability);
    return [];
  } catch (error) {
    if (!(error instanceof RebaseError)) throw error;
    at = claimed.findIndex(({ snapshot }) => snapshot.key === error.snapshot);
    if (at === -1) throw error;
  }
  await commit(work, claimed.slice(0, at), durability);
  const { step, snapshot } = claimed[at]!;
  await snapshot[Symbol.asyncDispose]();
  await unpackOne(work, step);
  return claimed.slice(at + 1);
}

/** Claims a layer on its parent, applies and commits it. */
async function unpackOne(work: Work, step: Step): Promise<void> {
  await using snapshot = await claimLayer(work, step, { onParent: true });
  if (snapshot === undefined) return;
  await apply(work, step, snapshot);
  const durability = work.options.durability === "none" ? "none" : "full";
  await commit(work, [{ step, snapshot }], durability);
}

/** Sees to it that the whole can be mounted; what was made goes if not. */
async function flatten(
  { to, committed, signal }: Work,
  name: string,
): Promise<void> {
  try {
    await to.flatten(name, { signal });
  } catch (error) {
    for (const layer of committed.toReversed()) {
      try {
        await to.remove(layer);
      } catch {
        // Somebody has built on it, or keeps it for as long as it is.
        break;
      }
    }
    throw error;
  }
}

/**
 * Puts the layers of an image into a store, each under its chain ID.
 *
 * Layers that are there are not opened. Several calls for the same layers, also
 * of other processes, do the work once. A layer is committed only when it was
 * proven to be what its descriptor and its diff ID say; when anything fails,
 * nothing is left but layers that were committed before. The message of an error about a layer says
 * which one, by its digest.
 *
 * @param layers The layers, the lowest first.
 * @param to The store.
 * @param options How, and whom to tell.
 * @returns The name of the topmost layer in the store.
 * @throws {TypeError} If there are no layers.
 * @throws {RangeError} If `parallel` is less than 1, or no number.
 * @throws {DigestMismatchError} If a layer is not what it was said to be.
 *
 * @example Usage
 * ```ts ignore
 * import { openOverlay, unpack } from "@containerkit/snapshot";
 *
 * await using snapshots = await openOverlay({ root: "/var/lib/containerkit" });
 * const { chainId } = await unpack(image.layers, snapshots);
 * await using rootfs = await snapshots.prepare("work", chainId);
 * console.log(rootfs.mounts);
 * ```
 */
export async function unpack(
  layers: readonly LayerSource[],
  to: Snapshotter,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  const chain = chainIds(layers.map(({ diffId }) => diffId));
  const chainId = chain.at(-1);
  if (chainId === undefined) {
    throw new TypeError("Cannot unpack an image without layers");
  }
  const { parallel = 1 } = options;
  if (!(parallel >= 1)) {
    throw new RangeError(
      `Cannot unpack ${parallel} layers at the same time: expected a number from 1`,
    );
  }
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();
  const work: Work = { to, options, signal, committed: [] };
  const all = layers.map((layer, index): Step => ({
    layer,
    chainId: chain[index]!,
    parent: chain[index - 1],
  }));
  if (typeof options.lease === "object") {
    const { type } = to.collectable;
    const items = chain.map((id) => ({ type, id }));
    await abortable(options.lease.add(...items), signal);
  }
  // What is built upon cannot go: the highest layer there is keeps those below it.
  let there = all.length;
  while (there > 0 && !await touchLayer(work, all[there - 1]!.chainId)) there--;
  for (const { layer, chainId } of all.slice(0, there)) {
    options.onProgress?.({ type: "exists", layer, chainId });
  }
  const steps = all.slice(there);
  if (to.capabilities.rebase.supported) await unpackTogether(work, steps);
  else {
    // Each is made from the one below.
    for (const step of steps) await unpackOne(work, step);
  }
  await flatten(work, chainId);
  return { chainId };
}
