/** Applying a layer, by whoever may have to put it on another later. */
import type { IdMapRange } from "@containerkit/mount";
import { createTarParser } from "@containerkit/tar";
import {
  type ByteSource,
  type LayerDigests,
  readLayerChunks,
} from "@containerkit/tar/layer";
import { Applier } from "./_applier.ts";
import { DirTree, suspendDefaultAcl } from "./_dir_tree.ts";
import { listDir, lstatAt } from "./_files.ts";
import type { ImplicitFolders } from "./_implicit.ts";
import { aufsMarks, directoryMarks, overlayMarks } from "./_layer_marks.ts";
import { mapId } from "./_map_id.ts";
import { nativeEngine } from "./_native_engine.ts";
import { Pace } from "./_pace.ts";
import { openRoot, ParentLayers } from "./_parent_layers.ts";
import type { ApplyLayerOptions, ApplyLayerResult } from "./apply_layer.ts";

/**
 * Applies a layer as `applyLayer()` does.
 *
 * @param implicit Takes note of what the layer leaves to those below it.
 */
export async function applyTo(
  layer: ByteSource,
  root: string,
  options: ApplyLayerOptions,
  implicit?: ImplicitFolders,
): Promise<ApplyLayerResult> {
  const { format = "directory", signal, limits, onProgress } = options;
  const { digestAlgorithm, diffIdAlgorithm } = options;
  signal?.throwIfAborted();
  const marks = format === "directory"
    ? directoryMarks
    : format === "aufs"
    ? aufsMarks
    : overlayMarks(options.userxattr ?? false);
  using parents = options.parents === undefined || format === "directory"
    ? undefined
    : new ParentLayers(options.parents, marks);
  const pace = new Pace();
  using applier = new Applier(openTree(root), {
    marks,
    parents,
    umask: readUmask(),
    uid: Deno.uid() ?? 0,
    gid: Deno.gid() ?? 0,
    sameOwner: options.sameOwner ?? true,
    devices: options.devices ?? !inUserNamespace(),
    mapUid: idMapper(options.idmap?.uids),
    mapGid: idMapper(options.idmap?.gids),
    mapParents: options.mapParents ?? false,
    filter: options.filter,
    writeBack: options.writeBack ?? false,
    implicit,
  }, pace);
  const parser = createTarParser(applier, {
    globals: "ignore",
    ...(limits === undefined ? {} : { limits }),
  });
  applier.pause = () => parser.pause();
  let digests: LayerDigests;
  try {
    digests = await readLayerChunks(layer, async (chunk) => {
      const before = applier.writes.pending;
      for (let at = 0; at < chunk.length;) {
        at += parser.push(chunk.subarray(at));
        if (applier.isBusy) await applier.settle(signal);
      }
      // Its bytes last until the next chunk is through: what of this one is written elsewhere may go on beside that.
      if (before !== undefined) await applier.writes.until(before);
    }, {
      engine: nativeEngine,
      ...(digestAlgorithm === undefined ? {} : { digestAlgorithm }),
      ...(diffIdAlgorithm === undefined ? {} : { diffIdAlgorithm }),
      ...(limits?.ratio === undefined
        ? {}
        : { limits: { ratio: limits.ratio } }),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : {
        onProgress: (size, diffSize) =>
          onProgress({ size, diffSize, entries: applier.entries }),
      }),
    });
    await applier.writes.until(applier.writes.pending);
    parser.finish();
    await pace.run(applier.finish(), signal);
  } finally {
    // A descriptor must not be closed under a write.
    await applier.idle();
  }
  return { ...digests, entries: applier.entries, warnings: applier.warnings };
}

/** Opens the root and sees whether anything is there yet. */
function openTree(root: string): DirTree {
  const fd = openRoot(root);
  const tree = new DirTree(fd);
  try {
    tree.root.fresh = listDir(fd, root).length === 0;
    tree.root.made = tree.root.fresh;
    const stat = lstatAt(fd, "");
    if (typeof stat !== "number") {
      tree.root.note(stat);
      tree.root.times = stat;
      suspendDefaultAcl(tree.root);
    }
  } catch (error) {
    tree[Symbol.dispose]();
    throw error;
  }
  return tree;
}

/** umask(2) can only be read by setting it, for all threads; procfs shows it without. */
function readUmask(): number {
  const [, umask = "22"] = /^Umask:\s*([0-7]+)$/m.exec(
    Deno.readTextFileSync("/proc/self/status"),
  ) ?? [];
  return parseInt(umask, 8);
}

function inUserNamespace(): boolean {
  const map = Deno.readTextFileSync("/proc/self/uid_map").trim();
  return !/^0\s+0\s+4294967295$/.test(map);
}

function idMapper(
  ranges: readonly IdMapRange[] | undefined,
): (id: number) => number | undefined {
  return ranges === undefined ? (id) => id : (id) => mapId(id, ranges);
}
