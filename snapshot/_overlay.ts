import type { Mount } from "@containerkit/mount";
import { DigestMismatchError, parseDigest } from "@containerkit/oci";
import type { LayerReader } from "@containerkit/tar/layer";
import { forgetAdoption, takeBackAdoption } from "./_adoption.ts";
import { applyTo } from "./_apply_to.ts";
import { applyLayer } from "./apply_layer.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import { changesOf } from "./_changes.ts";
import type { Driver, Folder, Place, Sealed } from "./_driver.ts";
import { compareTrees } from "./_compare_trees.ts";
import { withScratch } from "./_scratch.ts";
import type { LayerSource } from "./layer_source.ts";
import { checkFilesystem } from "./_filesystem.ts";
import { destroyTree, missingDir } from "./_folders.ts";
import {
  forgetImplicit,
  hasImplicit,
  ImplicitFolders,
  keepImplicit,
  readImplicit,
} from "./_implicit.ts";
import {
  attributesOf,
  clearVolatile,
  forgetUpperLimit,
  makeUpper,
  overlayOptions,
  settleUpper,
  stackMounts,
  UPPER_REFUSED,
  upperCapabilities,
  upperUsage,
} from "./_upper.ts";
import { forgetOwners, remapTree } from "./_unmap_tree.ts";
import { measureTree } from "./_usage.ts";
import { RebaseError } from "./rebase_error.ts";
import type { SnapshotUsage } from "./snapshot_info.ts";
import type { AppliedLayer, ApplyOptions } from "./snapshot.ts";
import type { SnapshotCapabilities } from "./snapshotter.ts";
import type { VerifyOptions, VerifyResult } from "./verify_options.ts";

/** Without its archive a layer can only be counted. */
async function compareUsage(
  place: Place,
  content: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const found = await measureTree(content, signal);
  const expected = place.usage ?? found;
  return (["inodes", "size"] as const)
    .filter((name) => found[name] !== expected[name])
    .map((name) =>
      `its ${name} are ${found[name]} instead of ${expected[name]}`
    );
}

const contentOf = ({ dir }: { dir: string }) => `${dir}/fs`;

/** A folder per layer, joined by overlay. */
export class OverlayDriver implements Driver {
  readonly name = "overlay";
  readonly capabilities: SnapshotCapabilities;
  readonly #root: string;
  readonly #options = overlayOptions();

  constructor(root: string) {
    checkFilesystem(root, {
      driver: "overlay",
      refused: UPPER_REFUSED,
    });
    this.#root = root;
    this.capabilities = {
      ...upperCapabilities(root),
      exactVerify: {
        supported: false,
        reason: "the archive of a layer is not kept; give it as the source",
      },
    };
  }

  create(place: Place): void {
    const { kind, parents: [below], options } = place;
    if (kind === "view" && below !== undefined) return;
    makeUpper(place, options, below && attributesOf(contentOf(below)));
  }

  mounts(place: Place): Mount[] {
    const lower = place.parents.map(contentOf);
    return stackMounts(place, { lower, options: this.#options });
  }

  reopen(place: Place): void {
    clearVolatile(place);
  }

  async apply(
    place: Place,
    layer: ReadableStream<Uint8Array>,
    options: ApplyOptions,
  ): Promise<AppliedLayer> {
    const { onProgress, ...passed } = options;
    // Another layer may have been applied before.
    const implicit = readImplicit(place.dir) ?? new ImplicitFolders();
    const [below] = place.parents;
    // All that lies on a parent bears the ids that the map shows; without one the whole is mounted through the map.
    const idmap = below === undefined ? undefined : place.options.idmap;
    const { digest, size, diffId, diffSize } = await applyTo(
      layer,
      contentOf(place),
      {
        ...passed,
        format: "overlay",
        writeBack: true,
        // None means unknown as yet, not that nothing is below.
        ...(place.parents.length === 0
          ? {}
          : { parents: place.parents.map(contentOf) }),
        ...(idmap && { idmap, mapParents: true }),
        ...(onProgress === undefined
          ? {}
          : { onProgress: ({ size }) => onProgress(size) }),
      },
      implicit,
    );
    // Another process may commit it.
    if (below === undefined) keepImplicit(place.dir, implicit);
    else implicit.adoptRoot(contentOf(place), contentOf(below), idmap);
    return { digest, size, diffId, tarSize: diffSize };
  }

  diff(place: Place, options: DiffLayersOptions): Promise<LayerReader> {
    const lower = place.parents.map(contentOf);
    return Promise.resolve(changesOf(place, options, lower));
  }

  async seal(place: Place, signal: AbortSignal | undefined): Promise<Sealed> {
    const content = contentOf(place);
    const link = readImplicit(place.dir)
      ?.adopt(place.dir, place.parents.map(contentOf));
    if (link !== undefined) {
      throw new RebaseError(place.key, place.parent ?? "", link);
    }
    const usage = await measureTree(content, signal);
    // When nothing here can refuse it any more.
    await settleUpper(place, signal);
    return { usage };
  }

  mustRevert({ dir, options, parents }: Place): boolean {
    return hasImplicit(dir) ||
      (options.idmap !== undefined && parents.length > 0);
  }

  revert({ dir }: Place): void {
    remapTree(dir);
    takeBackAdoption(dir);
  }

  trim({ dir }: Folder): Promise<void> {
    forgetOwners(dir);
    forgetAdoption(dir);
    forgetImplicit(dir);
    return Promise.resolve();
  }

  usage(
    place: Place,
    signal: AbortSignal | undefined,
  ): Promise<SnapshotUsage> {
    const isShown = place.kind === "view" && place.parents.length > 0;
    return isShown
      ? Promise.resolve({ size: 0, inodes: 0 })
      : upperUsage(place, signal);
  }

  async verify(place: Place, options: VerifyOptions): Promise<VerifyResult> {
    const content = contentOf(place);
    const missing = this.check(place);
    if (missing !== undefined) {
      return { ok: false, exact: false, problems: [missing] };
    }
    const exact = options.source !== undefined;
    const problems = options.source === undefined
      ? await compareUsage(place, content, options.signal)
      : await this.#compare(place, options.source, options.signal);
    return { ok: problems.length === 0, exact, problems };
  }

  /** Applies the layer once more, and compares the two. */
  async #compare(
    place: Place,
    source: LayerSource,
    signal: AbortSignal | undefined,
  ): Promise<string[]> {
    const abort = signal === undefined ? {} : { signal };
    const expected = place.diffId ?? source.diffId;
    const { algorithm: diffIdAlgorithm } = parseDigest(expected);
    return await withScratch(this.#root, async (dir) => {
      makeUpper({ dir }, {}, attributesOf(contentOf(place)));
      const { diffId } = await applyLayer(
        await source.open(abort),
        `${dir}/fs`,
        {
          format: "overlay",
          parents: place.parents.map(contentOf),
          diffIdAlgorithm,
          ...abort,
        },
      );
      if (diffId !== expected) {
        throw new DigestMismatchError(`verify snapshot "${place.key}"`, {
          expected,
          actual: diffId,
        });
      }
      return await compareTrees(`${dir}/fs`, contentOf(place), signal);
    });
  }

  check({ dir, kind, parents }: Place): string | undefined {
    const isShown = kind === "view" && parents.length > 0;
    return missingDir(dir, isShown ? [] : ["fs"]);
  }

  async destroy(dir: string): Promise<void> {
    if (this.capabilities.sizeLimit.supported) forgetUpperLimit(dir);
    await destroyTree(dir);
  }
}
