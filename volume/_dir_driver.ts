import type { VolumeDriver } from "./_driver.ts";

const HINT =
  'a folder has no limit of its own; the kinds "quota", "subvolume", "image" and "tmpfs" have';

/** A folder. */
export const dirDriver: VolumeDriver = {
  kind: "dir",
  staging: "never",
  check({ size, inodes }) {
    if (size !== undefined || inodes !== undefined) {
      throw new TypeError(`Cannot limit a volume of kind "dir": ${HINT}`);
    }
  },
  isFolder: true,
  create: () => Promise.resolve(),
  mounts: ({ folder }) => [{ type: "bind", source: folder }],
  resize: () =>
    Promise.reject(
      new Deno.errors.NotSupported(
        `Cannot resize a volume of kind "dir": ${HINT}`,
      ),
    ),
};
