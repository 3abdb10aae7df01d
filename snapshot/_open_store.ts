import { openState } from "@containerkit/state";
import type { Driver } from "./_driver.ts";
import { folderIds, rebuild } from "./_fsck.ts";
import { recover } from "./_recover.ts";
import { MIGRATIONS } from "./_rows.ts";
import { readSidecar } from "./_sidecar.ts";
import { StoreSnapshotter } from "./_snapshotter.ts";
import { Store } from "./_store.ts";
import type { OpenSnapshotterOptions } from "./open_snapshotter_options.ts";
import type { Snapshotter } from "./snapshotter.ts";

/** What opening the store and removing a snapshot takes of a disk that is full otherwise, and some more. */
const RESERVE = 256 * 1024;

function moveDamaged(path: string): void {
  const stamp = new Date().toISOString().replaceAll(":", "");
  for (const suffix of ["", "-wal", "-shm"]) {
    try {
      Deno.renameSync(`${path}${suffix}`, `${path}${suffix}.damaged-${stamp}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function hasContent(path: string): boolean {
  try {
    return Deno.lstatSync(path).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Refuses to begin anew beside layers: without a record each would be taken for what a crash left, and removed. */
function checkRecords(root: string, path: string): void {
  const isLost = !hasContent(path) &&
    folderIds(root).some((id) =>
      readSidecar(`${root}/layers/${id}`) !== undefined
    ) &&
    // Another process may have made both meanwhile, the records first.
    !hasContent(path);
  if (!isLost) return;
  throw new Deno.errors.InvalidData(
    `Cannot open state "${path}": it is gone, but there are layers`,
  );
}

function open(
  root: string,
  { driver, gcLock, rebuilds }: {
    driver: Driver;
    gcLock: string;
    rebuilds: boolean;
  },
): Store {
  const path = `${root}/state.db`;
  const openRecords = () =>
    new Store(root, {
      driver,
      gcLock,
      state: openState(path, { migrations: MIGRATIONS, reserve: RESERVE }),
    });
  try {
    checkRecords(root, path);
    return openRecords();
  } catch (error) {
    if (!rebuilds || !(error instanceof Deno.errors.InvalidData)) throw error;
  }
  moveDamaged(path);
  const store = openRecords();
  try {
    rebuild(store, { isEmpty: true });
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
  return store;
}

/** Opens the store of a driver, and settles what earlier processes left. */
export async function openStore(
  makeDriver: (root: string) => Driver,
  options: OpenSnapshotterOptions & { name: string },
): Promise<Snapshotter> {
  const { root: folder = "/var/lib/containerkit" } = options;
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const base = Deno.realPathSync(folder);
  const root = `${base}/snapshots/${options.name}`;
  for (const dir of ["layers", "trash"]) {
    Deno.mkdirSync(`${root}/${dir}`, { recursive: true, mode: 0o700 });
  }
  const driver = makeDriver(root);
  const store = open(root, {
    driver,
    gcLock: `${base}/gc.lock`,
    rebuilds: options.rebuild === true,
  });
  try {
    if (options.rebuild === true) rebuild(store, { isEmpty: false });
    await recover(store);
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
  return new StoreSnapshotter(store);
}
