/** What the writer in a guest and who looks after it must agree on. */
import {
  type LayerSource,
  openOverlay,
  type OpenSnapshotterOptions,
  openTarindex,
  type Snapshotter,
} from "@containerkit/snapshot";
import { openBtrfs } from "@containerkit/snapshot/btrfs";
import { openImage } from "@containerkit/snapshot/image";
import { openNative } from "@containerkit/snapshot/native";
import { makeLayer } from "../faults/_snapshot_world.ts";

const FILES = 40;
const SIZE = 20_000;

/** Every driver. */
export const OPEN: Readonly<
  Record<string, (options: OpenSnapshotterOptions) => Promise<Snapshotter>>
> = {
  overlay: openOverlay,
  tarindex: openTarindex,
  native: openNative,
  image: (options) => openImage({ ...options, size: 32 << 20 }),
  btrfs: openBtrfs,
};

/** Which disk has the stores of which drivers. */
export const DISKS = [
  { fstype: "ext4", drivers: ["overlay", "tarindex", "native", "image"] },
  { fstype: "btrfs", drivers: ["btrfs"] },
] as const;

/** The layers of an image. */
export function layersOf(image: number): LayerSource[] {
  return [0, 1].map((layer) =>
    makeLayer(Object.fromEntries(
      Array.from({ length: FILES }, (_, file) => [
        `layer${layer}-${file}`,
        new Uint8Array(SIZE).fill(file + image + 1),
      ]),
    ))
  );
}
