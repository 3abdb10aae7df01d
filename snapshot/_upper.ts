import type { Mount, MountSource } from "@containerkit/mount";
import type { Folder, Place } from "./_driver.ts";
import { makeDir } from "./_folders.ts";
import { mapOwner } from "./_map_owner.ts";
import {
  forgetLimit,
  limitedUsage,
  limitFolders,
  projectCapability,
} from "./_project.ts";
import { unmapTree } from "./_unmap_tree.ts";
import { measureTree } from "./_usage.ts";
import type { SnapshotUsage } from "./snapshot_info.ts";
import type { SnapshotCapabilities } from "./snapshotter.ts";
import type { KeptOptions } from "./_rows.ts";

/** Who owns a root directory, and its permission bits. */
export interface RootAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a root directory is like that no layer describes. */
const PLAIN: RootAttributes = { mode: 0o755, uid: 0, gid: 0 };

/** Filesystems that cannot hold an upper folder, and why. */
export const UPPER_REFUSED = {
  overlay: "an overlay cannot hold the upper folder of another",
  fuse: "it cannot hold the upper folder of an overlay",
} as const;

/** What drivers can do that make overlays with an upper folder. */
export function upperCapabilities(
  root: string,
): Omit<SnapshotCapabilities, "exactVerify"> {
  return {
    rebase: { supported: true },
    sizeLimit: projectCapability(root),
    idmap: { supported: true },
    volatile: { supported: true },
  };
}

/** The folder that tells the project of an upper one, whose own a container could change. */
function limitedOf(dir: string): string {
  return `${dir}/work`;
}

/** Forgets the limit of an upper folder that is about to be removed. */
export function forgetUpperLimit(dir: string): void {
  forgetLimit(limitedOf(dir));
}

/** What an upper folder takes: the kernel knows it where it is limited. */
export function upperUsage(
  { dir, options }: Place,
  signal: AbortSignal | undefined,
): Promise<SnapshotUsage> {
  return options.sizeLimit === undefined
    ? measureTree(`${dir}/fs`, signal)
    : Promise.resolve(limitedUsage(limitedOf(dir)));
}

/** Gives the files of an upper folder the ids that a layer has; `remapTree()` takes it back. */
export async function settleUpper(
  { dir, parents, options }: Place,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (options.idmap === undefined || parents.length === 0) return;
  await unmapTree(dir, options.idmap, signal);
}

/** Options for every overlay: no index, for another process's lock is what keeps two from writing. */
export function overlayOptions(): Readonly<Record<string, string>> {
  try {
    Deno.lstatSync("/sys/module/overlay/parameters/index");
    return { index: "off" };
  } catch {
    return {};
  }
}

/** The attributes of a directory on disk. */
export function attributesOf(dir: string): RootAttributes {
  const { mode, uid, gid } = Deno.lstatSync(dir);
  return { mode: (mode ?? 0o755) & 0o7777, uid: uid ?? 0, gid: gid ?? 0 };
}

/**
 * Makes the folders of what can be written.
 *
 * The root of an overlay is its upper folder: it looks like the root below. What
 * is written through an overlay bears the ids as the host sees them, so that an
 * id map must hold for the upper root too.
 */
export function makeUpper(
  { dir }: Pick<Folder, "dir">,
  options: KeptOptions,
  below: RootAttributes | undefined,
): void {
  const { mode, uid, gid } = below ?? PLAIN;
  makeDir(`${dir}/fs`, mode);
  makeDir(`${dir}/work`, 0o711);
  if (options.sizeLimit !== undefined) {
    limitFolders(options.sizeLimit, [`${dir}/fs`, `${dir}/work`]);
  }
  const idmap = below === undefined ? undefined : options.idmap;
  const owner = mapOwner({ uid, gid }, idmap);
  if (owner.uid === 0 && owner.gid === 0) return;
  for (const name of ["fs", "work"]) {
    Deno.chownSync(`${dir}/${name}`, owner.uid, owner.gid);
    // chown(2) takes set-user-ID bits away.
    if (name === "fs") Deno.chmodSync(`${dir}/${name}`, mode);
  }
}

/** What to mount for a snapshot on these layers, the topmost first. */
export function stackMounts(
  place: Place,
  stack: {
    lower: readonly MountSource[];
    options: Readonly<Record<string, string>>;
  },
): Mount[] {
  const { dir, kind } = place;
  const { lower, options } = stack;
  const { volatile, idmap } = place.options;
  const attributes = idmap === undefined ? {} : { idmap };
  const [top] = lower;
  if (kind === "active" && top !== undefined) {
    return [{
      type: "overlay",
      lower,
      upper: `${dir}/fs`,
      work: `${dir}/work`,
      ...(volatile === true ? { volatile } : {}),
      options,
      ...attributes,
    }];
  }
  if (lower.length > 1) {
    return [{ type: "overlay", lower, readonly: true, options, ...attributes }];
  }
  const source = top ?? `${dir}/fs`;
  if (typeof source !== "string") {
    return [{ ...source, readonly: true, ...attributes }];
  }
  return kind === "active"
    ? [{ type: "bind", source, recursive: true, ...attributes }]
    : [{ type: "bind", source, readonly: true, ...attributes }];
}

/**
 * Lets the upper folder of a volatile overlay be mounted again.
 *
 * The kernel refuses it because after a crash the folder might be anything. There was none: the store removes volatile
 * snapshots of an earlier boot.
 */
export function clearVolatile({ dir, options }: Place): void {
  if (options.volatile !== true) return;
  try {
    Deno.removeSync(`${dir}/work/work/incompat`, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
