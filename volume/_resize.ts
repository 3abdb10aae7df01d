import { isMountPoint } from "@containerkit/mount";
import { tryLockFile, withIntent } from "@containerkit/state";
import { isStaged, placeOf, type Store, whileStaging } from "./_stage.ts";
import { users } from "./_attachments.ts";
import type { Place } from "./_driver.ts";
import { driverOf } from "./_drivers.ts";
import { lockPath, lockVolume } from "./_lock_volume.ts";
import { checkLimit } from "./_names.ts";
import { findRow, type Limits, requireRow, type Row } from "./_row.ts";
import type { VolumeUsage } from "./volume_info.ts";
import { whileMounted } from "./_while_mounted.ts";

/** Changes the limits of a volume; see `VolumeStore.resize`. */
export async function resizeVolume(
  store: Store,
  name: string,
  limits: Limits,
  signal: AbortSignal | undefined,
): Promise<void> {
  checkLimit("size", limits.size);
  checkLimit("inodes", limits.inodes);
  // Else of two the one limit would be the kernel's, the other the row's.
  using _lock = await lockVolume(store, name, {
    suffix: ".resize",
    action: "resize",
    ...(signal === undefined ? {} : { signal }),
  });
  await change(store, name, limits, signal);
}

/** Finishes a resize whose process has died; nothing happens to others. */
export async function finishResize(
  store: Store,
  { id, name, resizing }: Row,
): Promise<void> {
  if (resizing === undefined) return;
  using lock = tryLockFile(lockPath(store, id, ".resize"));
  if (lock === undefined) return;
  // Who had the lock before may have finished or removed it.
  const row = findRow(store.state, name);
  if (row?.id !== id || row.resizing === undefined) return;
  await change(store, name, {}, undefined);
}

/** Sets limits, and with them those that a dead process was setting. */
async function change(
  store: Store,
  name: string,
  asked: Limits,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { state } = store;
  const row = requireRow(state, name, "resize");
  const limits: Limits = { ...row.resizing, ...asked };
  const driver = driverOf(row.kind);
  const place = placeOf(store, row);
  const intend = (resizing: Limits | null) =>
    void state.prepare("UPDATE volumes SET resizing = ? WHERE id = ?")
      .run(resizing && JSON.stringify(resizing), row.id);
  // The kernel's limits and then the row's; where a process dies in between, the next one goes on.
  const set = (fn: (place: Place) => Promise<boolean>) =>
    withIntent(state, {
      record: () => intend(limits),
      // Another process may have changed the limits while this one waited for its turn.
      effect: () => fn(placeOf(store, requireRow(state, name, "resize"))),
      settle(isDone) {
        intend(null);
        const { size = null, inodes = null } = isDone ? limits : {};
        state.prepare(
          "UPDATE volumes SET size = coalesce(?, size), inodes = coalesce(?, inodes) WHERE id = ?",
        ).run(size, inodes, row.id);
      },
      forget: () => intend(null),
    });
  const { resizeUnused } = driver;
  const done = resizeUnused !== undefined && isStaged(place) &&
    await whileStaging(place, signal, async () => {
      if (users(state, row.id).length > 0) return false;
      if (isMountPoint(place.staged)) return false;
      return await set((now) => resizeUnused(now, limits));
    });
  if (done) return;
  await whileMounted(store, row, signal, async () => {
    checkHeld(name, await driver.usage?.(place), asked);
    await set(async (now) => {
      await driver.resize(now, limits);
      return true;
    });
  });
}

/** @throws {RangeError} If a volume holds more than it may from now on. */
function checkHeld(
  name: string,
  used: VolumeUsage | undefined,
  { size, inodes }: Limits,
): void {
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
}
