import { openAt, OpenFlag, syncFs } from "@containerkit/libc";
import {
  bootId,
  type State,
  syncDirectory,
  withIntent,
} from "@containerkit/state";
import { placeOf, type Store } from "./_stage.ts";
import type { CreateVolumeOptions } from "./create_volume_options.ts";
import type { Place } from "./_driver.ts";
import { driverOf } from "./_drivers.ts";
import { checkLimit, checkName } from "./_names.ts";
import { currentProcess } from "./_process.ts";
import { discard, removeFiles } from "./_remove.ts";
import { findRow, type KindOptions, requireRow, type Row } from "./_row.ts";
import { whileMounted } from "./_while_mounted.ts";

function kindOptions(options: CreateVolumeOptions): KindOptions {
  const { kind = "dir", fstype, mounts, snapshot } = options;
  if ((kind === "foreign") !== (mounts !== undefined)) {
    throw new TypeError(
      'Cannot make the volume: "mounts" goes with kind "foreign", and only with it',
    );
  }
  if ((kind === "view") !== (snapshot !== undefined)) {
    throw new TypeError(
      'Cannot make the volume: "snapshot" goes with kind "view", and only with it',
    );
  }
  if (fstype !== undefined && kind !== "image") {
    throw new TypeError(
      'Cannot make the volume: "fstype" goes with kind "image" only',
    );
  }
  const { owner = { uid: 0, gid: 0 }, mode = 0o755 } = options;
  return {
    owner,
    mode,
    ...(fstype === undefined ? {} : { fstype }),
    ...(mounts === undefined ? {} : { mounts }),
    ...(snapshot === undefined ? {} : {
      mounts: snapshot.mounts,
      snapshot: {
        type: snapshot.type ?? "snapshot/overlay",
        id: snapshot.key,
      },
    }),
    ...(options.readonly ? { readonly: true } : {}),
  };
}

function insert(
  { state }: Store,
  name: string,
  options: CreateVolumeOptions,
): void {
  if (findRow(state, name) !== undefined) {
    throw new Deno.errors.AlreadyExists(
      `Cannot create volume "${name}": there is one of that name`,
    );
  }
  const { kind = "dir", size, inodes, labels = {}, lease } = options;
  state.prepare(
    `INSERT INTO volumes
       (name, kind, phase, owner, size, inodes, options, labels, lease, created, boot)
     VALUES (?, ?, 'creating', ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    name,
    kind,
    JSON.stringify(currentProcess()),
    size ?? null,
    inodes ?? null,
    JSON.stringify(kindOptions(options)),
    JSON.stringify(labels),
    lease ?? null,
    Date.now(),
    driverOf(kind).staging === "boot" ? bootId() : null,
  );
}

/** How a new volume gets its content: made empty, or from another one. */
export interface Creation {
  /** Makes the volume at its place, and durable; by default the driver does. */
  make?(place: Place): Promise<void>;
  /** Fills its root. */
  fill?(root: string): Promise<void>;
  /** Whether it counts as populated once it is there. */
  readonly populated?: boolean;
}

/** Makes a volume; see `VolumeStore.create`. */
export async function createVolume(
  store: Store,
  name: string,
  options: CreateVolumeOptions,
  creation: Creation = {},
): Promise<Row> {
  const { kind = "dir", size, inodes, signal } = options;
  const { state } = store;
  checkName(name);
  checkLimit("size", size);
  checkLimit("inodes", inodes);
  const driver = driverOf(kind);
  driver.check({
    folder: `${store.root}/data`,
    ...(size === undefined ? {} : { size }),
    ...(inodes === undefined ? {} : { inodes }),
  });
  signal?.throwIfAborted();
  const isEmpty = creation.make === undefined && creation.fill === undefined;
  if (isEmpty && driver.createNow !== undefined) {
    return createNow(store, name, options);
  }
  let row: Row;
  await withIntent(state, {
    record() {
      insert(store, name, options);
      row = findRow(state, name)!;
    },
    async effect() {
      const place = placeOf(store, row);
      await Deno.mkdir(place.folder, { mode: 0o700 });
      const { make, fill } = creation;
      if (make !== undefined) await make(place);
      else {
        await driver.create(place, signal);
        if (kind !== "foreign" && kind !== "view") {
          await whileMounted(store, row, signal, async (root) => {
            await prepareRoot(root, row);
            if (fill !== undefined) await fill(root);
            // Owner and mode of the root too.
            if (fill === undefined) return syncDirectory(root);
            using folder = openAt(undefined, root, OpenFlag.DIRECTORY);
            await syncFs(folder);
          });
        }
      }
      signal?.throwIfAborted();
      syncDirectory(place.folder);
      syncDirectory(`${store.root}/data`);
    },
    settle: () => finish(state, row, creation.populated ?? false),
    undo: () => removeFiles(store, row),
    forget: () =>
      void state.prepare("DELETE FROM volumes WHERE id = ?").run(row.id),
  });
  return requireRow(state, name, "create");
}

/**
 * Makes a volume within the transaction of its row: one wait for the disk after
 * that for the folder. A crash before it ends leaves a folder without a row,
 * which nobody but the next to get that number, or to open the store, finds.
 */
function createNow(
  store: Store,
  name: string,
  options: CreateVolumeOptions,
): Row {
  const { state, root } = store;
  let made: string | undefined;
  try {
    return state.transaction(() => {
      insert(store, name, options);
      const row = findRow(state, name)!;
      const place = placeOf(store, row);
      discard(store, row.id);
      driverOf(row.kind).createNow!(place);
      made = place.folder;
      const { owner, mode } = row.options;
      Deno.chownSync(place.folder, owner.uid, owner.gid);
      Deno.chmodSync(place.folder, mode);
      syncDirectory(place.folder);
      syncDirectory(`${root}/data`);
      finish(state, row, false);
      return requireRow(state, name, "create");
    });
  } catch (error) {
    if (made !== undefined) Deno.removeSync(made, { recursive: true });
    throw error;
  }
}

function finish(state: State, row: Row, populated: boolean): void {
  state.prepare(
    "UPDATE volumes SET phase = 'ready', owner = NULL, populated = ? WHERE id = ?",
  ).run(populated ? 1 : 0, row.id);
}

/** Owner and mode of a new root; what mkfs leaves in it would keep it from being empty. */
async function prepareRoot(root: string, row: Row): Promise<void> {
  const { owner, mode } = row.options;
  await Deno.chown(root, owner.uid, owner.gid);
  await Deno.chmod(root, mode);
  await Deno.remove(`${root}/lost+found`).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
