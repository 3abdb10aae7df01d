import { isMountPoint } from "@containerkit/mount";
import { lockFile } from "@containerkit/state";
import { isStaged, placeOf, type Store, whileStaging } from "./_stage.ts";
import { users } from "./_attachments.ts";
import { driverOf } from "./_drivers.ts";
import { checkLimit } from "./_names.ts";
import { requireRow } from "./_row.ts";
import { whileMounted } from "./_while_mounted.ts";

/** Changes the limits of a volume; see `VolumeStore.resize`. */
export async function resizeVolume(
  store: Store,
  name: string,
  limits: { size?: number; inodes?: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const { size, inodes } = limits;
  checkLimit("size", size);
  checkLimit("inodes", inodes);
  const row = requireRow(store.state, name, "resize");
  // One at a time: else of two the one limit would be the kernel's, the other the row's.
  using _lock = await lockFile(
    `${store.root}/locks/${row.id}.resize`,
    signal === undefined ? {} : { signal },
  );
  const place = placeOf(store, row);
  const driver = driverOf(row.kind);
  // Another process may have changed the limits while this one waited for its turn.
  const current = () => placeOf(store, requireRow(store.state, name, "resize"));
  const note = () => {
    store.state.prepare(
      "UPDATE volumes SET size = coalesce(?, size), inodes = coalesce(?, inodes) WHERE id = ?",
    ).run(size ?? null, inodes ?? null, row.id);
  };
  const inUse = () =>
    whileMounted(store, row, signal, async () => {
      const used = await driver.usage(place);
      if (size !== undefined && (used?.bytes ?? 0) > size) {
        throw new RangeError(
          `Cannot resize volume "${name}" to ${size} bytes: it holds ${
            used!.bytes
          }`,
        );
      }
      if (inodes !== undefined && (used?.inodes ?? 0) > inodes) {
        throw new RangeError(
          `Cannot resize volume "${name}" to ${inodes} inodes: it holds ${
            used!.inodes
          }`,
        );
      }
      await driver.resize(current(), limits);
      note();
    });
  const { resizeUnused } = driver;
  const done = resizeUnused !== undefined && isStaged(place) &&
    await whileStaging(place, signal, async () => {
      if (users(store.state, row.id).length > 0) return false;
      if (isMountPoint(place.staged)) return false;
      const isDone = await resizeUnused(current(), limits);
      if (isDone) note();
      return isDone;
    });
  if (!done) await inUse();
}
