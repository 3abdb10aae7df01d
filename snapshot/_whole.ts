import type { Mount } from "@containerkit/mount";
import { DigestMismatchError, parseDigest } from "@containerkit/oci";
import type { LayerReader } from "@containerkit/tar/layer";
import { compareTrees } from "./_compare_trees.ts";
import type { Driver, Folder, Place, Sealed } from "./_driver.ts";
import type { KeptOptions } from "./_rows.ts";
import { withScratch } from "./_scratch.ts";
import { applyLayer } from "./apply_layer.ts";
import { diffLayers } from "./diff_layers.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import type { LayerSource } from "./layer_source.ts";
import type { SnapshotUsage } from "./snapshot_info.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import type { AppliedLayer, ApplyOptions } from "./snapshot.ts";
import type { SnapshotCapabilities } from "./snapshotter.ts";
import type { VerifyOptions, VerifyResult } from "./verify_options.ts";

/** What holds a whole tree: a folder, a subvolume, a filesystem in a file. */
export interface Backing {
  /** What it can do on this store. */
  readonly capabilities: Omit<SnapshotCapabilities, "rebase" | "exactVerify">;
  /** Makes an empty one. */
  create(to: Folder, options: KeptOptions): Promise<void>;
  /** Makes one that starts as another. */
  clone(
    from: Folder,
    to: Folder,
    options: KeptOptions & { signal: AbortSignal | undefined },
  ): Promise<void>;
  /** Opens it as a folder; disposing closes it again. */
  open(
    folder: Folder,
    options: { readonly: boolean },
  ): Promise<{ readonly path: string } & AsyncDisposable>;
  /** What to mount. */
  mount(folder: Folder): Mount;
  /** Has all that was written in its place before it becomes a layer; refuses what is mounted, where that keeps it from being so. */
  settle?(place: Place): Promise<void>;
  /** Counts what it takes. */
  usage(folder: Folder, signal?: AbortSignal): Promise<SnapshotUsage>;
  /** What it takes as the kernel has counted it, where it has. */
  counted?(place: Place): SnapshotUsage | undefined;
  /** Says what is missing, or `undefined`. */
  check(folder: Folder): string | undefined;
  /** Closes it for good: nothing is written any more. */
  freeze?(folder: Folder): void;
  /** Removes it, whatever state it is in. */
  destroy(dir: string): Promise<void>;
}

/** Snapshots that each hold everything: what a layer hides is removed. */
export class WholeDriver implements Driver {
  readonly name: string;
  readonly capabilities: SnapshotCapabilities;
  readonly #root: string;
  readonly #backing: Backing;

  constructor(root: string, options: { name: string; backing: Backing }) {
    this.#root = root;
    this.name = options.name;
    this.#backing = options.backing;
    this.capabilities = {
      ...options.backing.capabilities,
      rebase: {
        supported: false,
        reason: "a snapshot starts as its parent and holds all of it",
      },
      exactVerify: {
        supported: false,
        reason: "the archive of a layer is not kept; give it as the source",
      },
    };
  }

  create(): void {
    // All of it takes longer than a transaction should.
  }

  async fill(place: Place, signal: AbortSignal | undefined): Promise<void> {
    const { kind, options, parents: [below] } = place;
    if (below === undefined) return await this.#backing.create(place, options);
    if (kind === "view") return;
    await this.#backing.clone(below, place, { ...options, signal });
  }

  mounts(place: Place): Mount[] {
    const { kind, options: { idmap }, parents: [below] } = place;
    const isView = kind === "view";
    return [{
      ...this.#backing.mount(isView && below !== undefined ? below : place),
      ...(isView ? { readonly: true } : {}),
      ...(idmap === undefined ? {} : { idmap }),
    }];
  }

  async apply(
    place: Place,
    layer: ReadableStream<Uint8Array>,
    options: ApplyOptions,
  ): Promise<AppliedLayer> {
    const { onProgress, ...passed } = options;
    await using content = await this.#backing.open(place, { readonly: false });
    const { digest, size, diffId, diffSize } = await applyLayer(
      layer,
      content.path,
      {
        ...passed,
        writeBack: true,
        ...(onProgress === undefined
          ? {}
          : { onProgress: ({ size }) => onProgress(size) }),
      },
    );
    return { digest, size, diffId, tarSize: diffSize };
  }

  async diff(place: Place, options: DiffLayersOptions): Promise<LayerReader> {
    if (place.kind === "view") {
      throw new SnapshotStateError("diff", place.key, "it is a view");
    }
    await using opened = new AsyncDisposableStack();
    const readonly = { readonly: true };
    const [below] = place.parents;
    const lower = below === undefined
      ? undefined
      : opened.use(await this.#backing.open(below, readonly));
    const upper = opened.use(await this.#backing.open(place, readonly));
    const { readable, digests } = diffLayers(lower?.path, upper.path, options);
    const kept = opened.move();
    return { readable: closeAfter(readable, kept), digests };
  }

  async seal(place: Place, signal: AbortSignal | undefined): Promise<Sealed> {
    await this.#backing.settle?.(place);
    return { usage: await this.#backing.usage(place, signal) };
  }

  trim(folder: Folder): Promise<void> {
    this.#backing.freeze?.(folder);
    return Promise.resolve();
  }

  usage(
    place: Place,
    signal: AbortSignal | undefined,
  ): Promise<SnapshotUsage> {
    const isShown = place.kind === "view" && place.parents.length > 0;
    if (isShown) return Promise.resolve({ size: 0, inodes: 0 });
    const counted = this.#backing.counted?.(place);
    return counted === undefined
      ? this.#backing.usage(place, signal)
      : Promise.resolve(counted);
  }

  check(place: Place): string | undefined {
    const isShown = place.kind === "view" && place.parents.length > 0;
    return isShown ? undefined : this.#backing.check(place);
  }

  async verify(place: Place, options: VerifyOptions): Promise<VerifyResult> {
    const { source, signal } = options;
    const missing = this.check(place);
    if (missing !== undefined) {
      return { ok: false, exact: false, problems: [missing] };
    }
    const problems = source === undefined
      ? await this.#count(place, signal)
      : await this.#compare(place, source, signal);
    return { ok: problems.length === 0, exact: source !== undefined, problems };
  }

  async #count(
    place: Place,
    signal: AbortSignal | undefined,
  ): Promise<string[]> {
    const found = await this.#backing.usage(place, signal);
    const expected = place.usage?.inodes;
    return expected === undefined || found.inodes === expected
      ? []
      : [`it has ${found.inodes} inodes instead of ${expected}`];
  }

  /** Makes it once more from its parent and its layer, and compares the two. */
  async #compare(
    place: Place,
    source: LayerSource,
    signal: AbortSignal | undefined,
  ): Promise<string[]> {
    const abort = signal === undefined ? {} : { signal };
    const expected = place.diffId ?? source.diffId;
    const { algorithm: diffIdAlgorithm } = parseDigest(expected);
    return await withScratch(this.#root, async (dir) => {
      const scratch = { id: place.id, dir };
      const [below] = place.parents;
      try {
        if (below === undefined) await this.#backing.create(scratch, {});
        else await this.#backing.clone(below, scratch, { signal });
        await using made = await this.#backing.open(scratch, {
          readonly: false,
        });
        const { diffId } = await applyLayer(
          await source.open(abort),
          made.path,
          { diffIdAlgorithm, ...abort },
        );
        if (diffId !== expected) {
          throw new DigestMismatchError(`verify snapshot "${place.key}"`, {
            expected,
            actual: diffId,
          });
        }
        await using found = await this.#backing.open(place, { readonly: true });
        return await compareTrees(made.path, found.path, signal);
      } finally {
        await this.#backing.destroy(dir);
        Deno.mkdirSync(dir);
      }
    });
  }

  destroy(dir: string): Promise<void> {
    return this.#backing.destroy(dir);
  }
}

/** Lets go of something once a stream has ended, in whatever way, be it that nobody ever read it. */
function closeAfter(
  stream: ReadableStream<Uint8Array>,
  resource: AsyncDisposable,
): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  const closed = reader.closed.catch(() => {}).then(() =>
    resource[Symbol.asyncDispose]()
  );
  // Whoever reads it hears of that.
  closed.catch(() => {});
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
      } catch (error) {
        await closed;
        throw error;
      }
      await closed;
      controller.close();
    },
    async cancel(reason) {
      await reader.cancel(reason);
      await closed;
    },
  }, { highWaterMark: 0 });
}
