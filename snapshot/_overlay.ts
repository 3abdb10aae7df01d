import type { Mount } from "@containerkit/mount";
import type { Driver, Place, Sealed } from "./_driver.ts";
import { checkFilesystem } from "./_filesystem.ts";
import { destroyTree, makeDir, makeDirLike, missingDir } from "./_folders.ts";
import { measureTree } from "./_usage.ts";
import type { SnapshotCapabilities } from "./snapshotter.ts";

/** Why a layer that was written cannot be compared byte by byte without its tar. */
const NO_TAR = "the tar of a layer is not kept; give it as the source";

function hasParameter(name: string): boolean {
  try {
    Deno.lstatSync(`/sys/module/overlay/parameters/${name}`);
    return true;
  } catch {
    return false;
  }
}

function overlayMounts(place: Place, index: Record<string, string>): Mount[] {
  const { dir, kind, options } = place;
  const idmap = options.idmap === undefined ? {} : { idmap: options.idmap };
  const lower = place.parents.map((parent) => `${parent.dir}/fs`);
  const [top] = lower;
  if (kind === "active") {
    if (top === undefined) {
      return [{ type: "bind", source: `${dir}/fs`, recursive: true, ...idmap }];
    }
    return [{
      type: "overlay",
      lower,
      upper: `${dir}/fs`,
      work: `${dir}/work`,
      ...(options.volatile === true ? { volatile: true } : {}),
      options: index,
      ...idmap,
    }];
  }
  if (lower.length < 2) {
    const source = top ?? `${dir}/fs`;
    return [{ type: "bind", source, readonly: true, ...idmap }];
  }
  return [{ type: "overlay", lower, readonly: true, options: index, ...idmap }];
}

/** A folder per layer, joined by overlay. */
export function overlayDriver(root: string): Driver {
  checkFilesystem(root, {
    driver: "overlay",
    refused: {
      overlay: "an overlay cannot hold the upper folder of another",
      fuse: "it cannot hold the upper folder of an overlay",
    },
  });
  const index: Record<string, string> = hasParameter("index")
    ? { index: "off" }
    : {};
  const capabilities: SnapshotCapabilities = {
    rebase: { supported: true },
    sizeLimit: { supported: false, reason: "no quota" },
    idmap: { supported: true },
    volatile: { supported: true },
    exactVerify: { supported: false, reason: NO_TAR },
  };
  return {
    name: "overlay",
    capabilities,
    create({ dir, parents }) {
      makeDirLike(`${dir}/fs`, parents[0] && `${parents[0].dir}/fs`);
      makeDir(`${dir}/work`, 0o711);
    },
    mounts: (place) => overlayMounts(place, index),
    apply: () => Promise.reject(new Error("not yet")),
    diff: () => Promise.reject(new Error("not yet")),
    async seal({ dir }, signal): Promise<Sealed> {
      return { usage: await measureTree(`${dir}/fs`, signal) };
    },
    usage: ({ dir }) => measureTree(`${dir}/fs`),
    verify: () => Promise.reject(new Error("not yet")),
    check: ({ dir }) => missingDir(dir, ["fs"]),
    destroy: (dir) => destroyTree(dir, ["work", "fs"]),
  };
}
