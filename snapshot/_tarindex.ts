import { Buffer } from "node:buffer";
import type { ErofsMount, Mount } from "@containerkit/mount";
import { writeFileAtomic } from "@containerkit/state";
import { type LayerReader, writeLayer } from "@containerkit/tar/layer";
import {
  type Archive,
  digestFile,
  receiveArchive,
  scanArchive,
} from "./_archive.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import { changesOf } from "./_changes.ts";
import type { Driver, Folder, Place, Sealed } from "./_driver.ts";
import { checkFilesystem } from "./_filesystem.ts";
import { destroyTree, missingDir } from "./_folders.ts";
import { applyEntries } from "./_merge.ts";
import { readErofsRoot } from "./_read_erofs_root.ts";
import { isNotFound } from "./_store.ts";
import { makeDirectory } from "./_tree.ts";
import {
  clearVolatile,
  forgetUpperLimit,
  makeUpper,
  overlayOptions,
  stackMounts,
  UPPER_REFUSED,
  upperCapabilities,
  upperUsage,
} from "./_upper.ts";
import { measureTree } from "./_usage.ts";
import { writeErofs } from "./_write_erofs.ts";
import type { SnapshotUsage } from "./snapshot_info.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import type { AppliedLayer, ApplyOptions } from "./snapshot.ts";
import type { SnapshotCapabilities } from "./snapshotter.ts";
import type { VerifyOptions, VerifyResult } from "./verify_options.ts";

/** How many entries of archives are remembered, so that an index need not read them again. */
const MOST_REMEMBERED = 500_000;

/** Where a layer that is not given by an image is named. */
const SHA256 = `sha256:${"0".repeat(64)}`;

const archiveOf = ({ dir }: Folder) => `${dir}/layer.tar`;
/** What the archive that a commit makes is called as well until the commit is done. */
const sealedOf = ({ dir }: Folder) => `${dir}/sealed.tar`;
const indexOf = ({ dir }: Folder) => `${dir}/index.erofs`;

function sizeOf(path: string): number | undefined {
  try {
    return Deno.lstatSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether a layer was applied; an archive that a commit has made is not one. */
function isApplied(folder: Folder): boolean {
  return sizeOf(archiveOf(folder)) !== undefined &&
    sizeOf(sealedOf(folder)) === undefined;
}

/** Removes what archives were called while they were written. */
function removeOtherNames({ dir }: Folder): void {
  for (const { name } of Deno.readDirSync(dir)) {
    if (!/^(layer\.tar\.|sealed\.tar)/.test(name)) continue;
    Deno.removeSync(`${dir}/${name}`);
  }
}

function isEmpty(dir: string): boolean {
  for (const _ of Deno.readDirSync(dir)) return false;
  return true;
}

/** A layer stays the archive it is; the kernel mounts it through an index that we write. */
export class TarindexDriver implements Driver {
  readonly name = "tarindex";
  readonly capabilities: SnapshotCapabilities;
  readonly #options = overlayOptions();
  /** What was received or read by this process, by id. */
  readonly #archives = new Map<number, Archive & { diffId?: string }>();
  #remembered = 0;

  constructor(root: string) {
    checkFilesystem(root, {
      driver: "tarindex",
      refused: {
        ...UPPER_REFUSED,
        tmpfs: "EROFS does not read archives from memory",
      },
    });
    this.capabilities = {
      ...upperCapabilities(root),
      exactVerify: { supported: true },
    };
  }

  #remember(id: number, archive: Archive & { diffId?: string }): void {
    this.#remembered += archive.entries.length;
    if (this.#remembered > MOST_REMEMBERED) {
      this.#archives.clear();
      this.#remembered = archive.entries.length;
    }
    this.#archives.set(id, archive);
  }

  #forget(id: number): void {
    this.#remembered -= this.#archives.get(id)?.entries.length ?? 0;
    this.#archives.delete(id);
  }

  async #archive(folder: Folder, signal?: AbortSignal): Promise<Archive> {
    const known = this.#archives.get(folder.id);
    if (known !== undefined) return known;
    const archive = await scanArchive(archiveOf(folder), signal);
    this.#remember(folder.id, archive);
    return archive;
  }

  /** The index of a layer and all below it. */
  async #buildIndex(
    layers: readonly Folder[],
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const root = makeDirectory(0);
    const sizes: number[] = [];
    for (const [number, folder] of layers.toReversed().entries()) {
      const archive = await this.#archive(folder, signal);
      applyEntries(root, archive.entries, number);
      sizes.push(archive.size);
    }
    return writeErofs(root, sizes);
  }

  async prepareParent(
    parent: Place,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (sizeOf(indexOf(parent)) !== undefined) return;
    const layers = [parent, ...parent.parents];
    try {
      writeFileAtomic(indexOf(parent), await this.#buildIndex(layers, signal));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      throw new Deno.errors.NotFound(
        `Cannot index layer "${parent.key}": files of it or of a layer below are gone; repair it unless it was removed`,
        { cause: error },
      );
    }
  }

  create(place: Place): void {
    if (place.kind === "view" && place.parents.length > 0) return;
    const [top] = place.parents;
    const below = top === undefined ? undefined : readErofsRoot(indexOf(top));
    makeUpper(place, place.options, below);
  }

  mounts(place: Place): Mount[] {
    const [top] = place.parents;
    const lower: ErofsMount[] = top === undefined ? [] : [{
      type: "erofs",
      source: indexOf(top),
      devices: place.parents.map(archiveOf).reverse(),
      readonly: true,
    }];
    return stackMounts(place, { lower, options: this.#options });
  }

  reopen(place: Place): void {
    clearVolatile(place);
  }

  apply(
    place: Place,
    layer: ReadableStream<Uint8Array>,
    options: ApplyOptions,
  ): Promise<AppliedLayer> {
    return this.#receive(place, { layer, path: archiveOf(place), options });
  }

  async #receive(
    { id }: Folder,
    { layer, path, options }: {
      layer: ReadableStream<Uint8Array>;
      path: string;
      options: ApplyOptions;
    },
  ): Promise<AppliedLayer> {
    const { archive, applied } = await receiveArchive(layer, path, options);
    this.#remember(id, { ...archive, diffId: applied.diffId });
    return applied;
  }

  async diff(place: Place, options: DiffLayersOptions): Promise<LayerReader> {
    if (place.kind !== "committed" && !isApplied(place)) {
      return changesOf(place, options);
    }
    const { compression = "gzip", level, signal } = options;
    const { readable } = await Deno.open(archiveOf(place));
    return writeLayer(readable, {
      compression,
      ...(level === undefined ? {} : { level }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /**
   * Writes the archive of what was changed, unless a layer was applied.
   *
   * Until the commit is done it has two names: by the second it is known from one that was applied, which stays when
   * the commit fails.
   */
  async seal(place: Place, signal: AbortSignal | undefined): Promise<Sealed> {
    const path = archiveOf(place);
    if (!isApplied(place)) {
      const abort = signal === undefined ? {} : { signal };
      const sealed = sealedOf(place);
      const { readable } = changesOf(place, { compression: "none", ...abort });
      await this.#receive(place, {
        layer: readable,
        path: sealed,
        options: abort,
      });
      Deno.linkSync(sealed, path);
    } else if (!isEmpty(`${place.dir}/fs`)) {
      throw new SnapshotStateError(
        "commit",
        String(place.id),
        "a layer was applied to it and files were written: it can hold one of the two",
      );
    }
    const known = this.#archives.get(place.id);
    const archive = known ?? await this.#archive(place, signal);
    const diffId = known?.diffId ??
      await digestFile(path, { like: SHA256, signal });
    return { usage: { size: archive.size, inodes: 1 }, diffId };
  }

  mustRevert(place: Place): boolean {
    return !isApplied(place);
  }

  revert(place: Place): void {
    if (sizeOf(sealedOf(place)) !== undefined) {
      this.#forget(place.id);
      // First: without the other name it would be taken for one that was applied.
      const path = archiveOf(place);
      if (sizeOf(path) !== undefined) Deno.removeSync(path);
    }
    removeOtherNames(place);
  }

  async trim(folder: Folder): Promise<void> {
    const { dir } = folder;
    removeOtherNames(folder);
    // Its limit is that of what goes here.
    if (this.capabilities.sizeLimit.supported) forgetUpperLimit(dir);
    for (const name of ["fs", "work"]) await destroyTree(`${dir}/${name}`);
  }

  usage(
    place: Place,
    signal: AbortSignal | undefined,
  ): Promise<SnapshotUsage> {
    const isActive = place.kind === "active" && !isApplied(place);
    return isActive
      ? upperUsage(place, signal)
      : measureTree(place.dir, signal);
  }

  check(place: Place): string | undefined {
    if (place.kind === "active") return missingDir(place.dir, ["fs", "work"]);
    if (place.kind === "view") return missingDir(place.dir, []);
    const path = archiveOf(place);
    const size = sizeOf(path);
    if (size === undefined) return `${path} is gone`;
    const expected = place.usage?.size;
    return size === expected
      ? undefined
      : `${path} has ${size} bytes instead of ${expected}`;
  }

  async verify(place: Place, options: VerifyOptions): Promise<VerifyResult> {
    const { signal } = options;
    const problems: string[] = [];
    const wrong = this.check(place);
    if (wrong !== undefined) {
      return { ok: false, exact: true, problems: [wrong] };
    }
    const path = archiveOf(place);
    if (place.diffId !== undefined) {
      const found = await digestFile(path, { like: place.diffId, signal });
      if (found !== place.diffId) {
        problems.push(`${path} is ${found} instead of ${place.diffId}`);
      }
    }
    if (problems.length === 0 && sizeOf(indexOf(place)) !== undefined) {
      const layers = [place, ...place.parents];
      const expected = await this.#buildIndex(layers, signal);
      const found = await Deno.readFile(indexOf(place));
      if (Buffer.compare(expected, found) !== 0) {
        problems.push(`${indexOf(place)} is not the index of its layers`);
      }
    }
    return { ok: problems.length === 0, exact: true, problems };
  }

  async destroy(dir: string): Promise<void> {
    if (this.capabilities.sizeLimit.supported) forgetUpperLimit(dir);
    await destroyTree(dir);
  }
}
