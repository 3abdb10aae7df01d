import type { Mount } from "@containerkit/mount";
import type { LayerReader } from "@containerkit/tar/layer";
import { applyLayer } from "./apply_layer.ts";
import { changesOf } from "./_changes.ts";
import type { Driver, Folder, Place, Sealed } from "./_driver.ts";
import { checkFilesystem } from "./_filesystem.ts";
import { destroyTree, missingDir } from "./_folders.ts";
import { ImplicitFolders } from "./_implicit.ts";
import {
  attributesOf,
  makeUpper,
  overlayOptions,
  stackMounts,
} from "./_upper.ts";
import { measureTree } from "./_usage.ts";
import { RebaseError } from "./rebase_error.ts";
import type { SnapshotUsage } from "./snapshot_info.ts";
import type {
  AppliedLayer,
  ApplyOptions,
  DiffOptions,
  VerifyOptions,
  VerifyResult,
} from "./snapshotter.ts";

const contentOf = ({ dir }: Folder) => `${dir}/fs`;

/** A folder per layer, joined by overlay. */
export class OverlayDriver implements Driver {
  readonly name = "overlay";
  readonly capabilities = {
    rebase: { supported: true },
    sizeLimit: { supported: false, reason: "no quota" },
    idmap: { supported: true },
    volatile: { supported: true },
    exactVerify: {
      supported: false,
      reason: "the archive of a layer is not kept; give it as the source",
    },
  } as const;
  readonly #options = overlayOptions();
  /** What was applied without a parent, by id. */
  readonly #implicit = new Map<number, ImplicitFolders>();

  constructor(root: string) {
    checkFilesystem(root, {
      driver: "overlay",
      refused: {
        overlay: "an overlay cannot hold the upper folder of another",
        fuse: "it cannot hold the upper folder of an overlay",
      },
    });
  }

  create({ dir, kind, parents: [below], options }: Place): void {
    if (kind === "view" && below !== undefined) return;
    makeUpper(dir, options, below && attributesOf(contentOf(below)));
  }

  mounts(place: Place): Mount[] {
    const lower = place.parents.map(contentOf);
    return stackMounts(place, { lower, options: this.#options });
  }

  async apply(
    place: Place,
    layer: ReadableStream<Uint8Array>,
    options: ApplyOptions,
  ): Promise<AppliedLayer> {
    const { signal, onProgress } = options;
    const implicit = new ImplicitFolders();
    const { digest, size, diffId, diffSize } = await applyLayer(
      layer,
      contentOf(place),
      {
        format: "overlay",
        parents: place.parents.map(contentOf),
        filter(header) {
          implicit.see(header);
          return true;
        },
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined
          ? {}
          : { onProgress: ({ size }) => onProgress(size) }),
      },
    );
    if (place.parents.length === 0) this.#implicit.set(place.id, implicit);
    return { digest, size, diffId, tarSize: diffSize };
  }

  diff(place: Place, options: DiffOptions): Promise<LayerReader> {
    return Promise.resolve(changesOf(place, options));
  }

  async seal(place: Place, signal: AbortSignal | undefined): Promise<Sealed> {
    const content = contentOf(place);
    const link = this.#implicit.get(place.id)
      ?.adopt(content, place.parents.map(contentOf));
    if (link !== undefined) {
      throw new RebaseError(place.key, place.parent ?? "", link);
    }
    this.#implicit.delete(place.id);
    return { usage: await measureTree(content, signal) };
  }

  usage(place: Place): Promise<SnapshotUsage> {
    const isShown = place.kind === "view" && place.parents.length > 0;
    return isShown
      ? Promise.resolve({ size: 0, inodes: 0 })
      : measureTree(contentOf(place));
  }

  verify(place: Place, options: VerifyOptions): Promise<VerifyResult> {
    return Promise.reject(new Error(`${place.dir} ${options}`));
  }

  check({ dir, kind, parents }: Place): string | undefined {
    const isShown = kind === "view" && parents.length > 0;
    return missingDir(dir, isShown ? [] : ["fs"]);
  }

  async destroy(dir: string): Promise<void> {
    await destroyTree(dir, ["work", "fs"]);
  }
}
