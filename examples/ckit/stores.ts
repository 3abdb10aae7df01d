import { openStore, type Store } from "@containerkit/content";
import {
  openOverlay,
  type OpenSnapshotterOptions,
  openTarindex,
  type Snapshotter,
} from "@containerkit/snapshot";
import { type Context, UsageError } from "./command.ts";

type Open = (options: OpenSnapshotterOptions) => Promise<Snapshotter>;

/** How each driver is opened; those beside the defaults are loaded only when they are asked for. */
const DRIVERS: Readonly<Record<string, () => Open | Promise<Open>>> = {
  overlay: () => openOverlay,
  tarindex: () => openTarindex,
  native: async () =>
    (await import("@containerkit/snapshot/native")).openNative,
  btrfs: async () => (await import("@containerkit/snapshot/btrfs")).openBtrfs,
  image: async () => (await import("@containerkit/snapshot/image")).openImage,
};

/** The names of the drivers. */
export const snapshotterNames: readonly string[] = Object.keys(DRIVERS);

/** Opens the content store of a root. */
export function openContent({ root }: Context): Promise<Store> {
  return openStore({ root });
}

/**
 * Opens the snapshots of a root.
 *
 * @throws {UsageError} If there is no such driver.
 */
export async function openSnapshots(
  { root, state }: Context,
  name = "overlay",
  options: { rebuild?: boolean } = {},
): Promise<Snapshotter> {
  const load = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined;
  if (load === undefined) {
    throw new UsageError(
      `Cannot use snapshotter "${name}": there are ${
        snapshotterNames.join(", ")
      }`,
    );
  }
  const open = await load();
  return await open({ root, state, ...options });
}
