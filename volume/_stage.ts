import { isMountPoint, mount, unmount } from "@containerkit/mount";
import { lockFile, type State, tryLockFile } from "@containerkit/state";
import type { Place } from "./_driver.ts";
import { driverOf } from "./_drivers.ts";
import type { Row } from "./_row.ts";

/** What the functions of this package share of an open store. */
export interface Store {
  readonly state: State;
  /** Where volumes lie. */
  readonly root: string;
  /** Where their filesystems are mounted for this boot. */
  readonly staging: string;
  /** What is held shared while a reference to something of another component is added: its garbage collection waits. */
  readonly gcLock: string;
}

/** The place of a volume. */
export function placeOf(store: Store, row: Row): Place {
  const { staging } = driverOf(row.kind);
  return {
    row,
    folder: `${store.root}/data/${row.id}`,
    staged: staging === "never" ? undefined : `${store.staging}/${row.id}`,
  };
}

/** Whether its filesystem is mounted once for all users. */
export function isStaged(place: Place): place is Place & { staged: string } {
  return place.staged !== undefined;
}

/**
 * Serialises mounting and unmounting of one volume across processes. A volume
 * that is mounted once for all has to be mounted by the first and unmounted by
 * the last of its users.
 */
export async function whileStaging<T>(
  place: { staged: string },
  signal: AbortSignal | undefined,
  fn: () => Promise<T>,
): Promise<T> {
  using _lock = await lockFile(
    `${place.staged}.lock`,
    signal === undefined ? {} : { signal },
  );
  try {
    // Not before: whoever had the lock may have been the last user, and removed it.
    await Deno.mkdir(place.staged, { recursive: true, mode: 0o700 });
    return await fn();
  } finally {
    await removeUnused(place);
  }
}

/** Removes the place and its lock, which is held, unless the volume is mounted there. */
async function removeUnused(place: { staged: string }): Promise<void> {
  if (isMountPoint(place.staged)) return;
  for (const path of [place.staged, `${place.staged}.lock`]) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** The same, but only if nobody is at it. */
export async function unlessStaging(
  place: { staged: string },
  fn: () => Promise<void>,
): Promise<void> {
  using lock = tryLockFile(`${place.staged}.lock`);
  if (lock === undefined) return;
  await fn();
  await removeUnused(place);
}

/** Mounts a volume at its place, if it is not yet. */
export async function stage(
  place: Place & { staged: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  if (isMountPoint(place.staged)) return;
  const driver = driverOf(place.row.kind);
  using left = driver.reuse?.(place);
  const mounts = left?.mounts ?? driver.mounts(place);
  const mounted = await mount(
    // Unmounting all that is here must not reach where it comes from.
    mounts.map((mount) => ({ ...mount, propagation: "rslave" })),
    place.staged,
    signal === undefined ? {} : { signal },
  );
  mounted.keep();
}

/** Unmounts a volume from its place, if it is there. */
export async function unstage(
  place: Place & { staged: string },
): Promise<void> {
  if (!isMountPoint(place.staged)) return;
  driverOf(place.row.kind).settle?.(place);
  await unmount(place.staged, { all: true, recursive: true });
}
