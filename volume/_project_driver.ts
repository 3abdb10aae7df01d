import {
  freeProject,
  quotaOf,
  setProject,
  setQuota,
  whyNoQuota,
} from "@containerkit/mount/quota";
import type { Place, VolumeDriver } from "./_driver.ts";
import { rootOf } from "./_folders.ts";

/** Of volumes whose row names no project: theirs counted up from here. */
const FIRST_PROJECT = 0x4b000000;

function projectOf({ row }: Place): number {
  return row.options.project ?? FIRST_PROJECT + row.id;
}

function setLimits(
  place: Place,
  { size, inodes }: { size?: number | undefined; inodes?: number | undefined },
): void {
  setQuota(place.folder, projectOf(place), {
    bytes: size ?? place.row.size ?? 0,
    inodes: inodes ?? place.row.inodes ?? 0,
  });
}

/** A folder that ext4 or xfs itself limits, by a project. */
export const projectDriver: VolumeDriver = {
  kind: "quota",
  staging: "never",
  check({ folder }) {
    const reason = whyNoQuota(folder);
    if (reason === undefined) return;
    throw new Deno.errors.NotSupported(
      `Cannot make a volume of kind "quota" in "${folder}": ${reason}; the kind "image" has a limit on any filesystem`,
    );
  },
  choose: (folder) => ({
    project: freeProject(folder),
  }),
  async create(place) {
    await Deno.mkdir(rootOf(place.folder));
    // What is made in the folder inherits the project.
    setProject(rootOf(place.folder), projectOf(place));
    setLimits(place, place.row);
  },
  mounts: ({ folder }) => [{ type: "bind", source: rootOf(folder) }],
  usage(place) {
    const { usedBytes, usedInodes } = quotaOf(place.folder, projectOf(place));
    return Promise.resolve({
      bytes: usedBytes,
      inodes: usedInodes,
      counted: "kernel",
    });
  },
  resize(place, limits) {
    setLimits(place, limits);
    return Promise.resolve();
  },
  remove(place) {
    // A limit that nobody uses would stay in the filesystem's tables.
    setQuota(place.folder, projectOf(place), { bytes: 0, inodes: 0 });
    return Promise.resolve();
  },
};
