import { openAt, OpenFlag, syncFs } from "@containerkit/libc";
import { lockFile, syncDirectory, withIntent } from "@containerkit/state";
import { placeOf, type Store } from "./_stage.ts";
import type { CreateVolumeOptions } from "./create_volume_options.ts";
import type { Place } from "./_driver.ts";
import { driverOf } from "./_drivers.ts";
import { checkLimit, checkName, checkRoot } from "./_names.ts";
import { makeFolderAlone, takeBack } from "./_folder_alone.ts";
import { insertRow } from "./_new_row.ts";
import { isLeft, removeFiles, removeVolume } from "./_remove.ts";
import { findRow, type Row } from "./_row.ts";
import { whileMounted } from "./_while_mounted.ts";

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
  const { kind = "dir", size, inodes, fstype, signal } = options;
  const { state } = store;
  checkName(name);
  checkLimit("size", size);
  checkLimit("inodes", inodes);
  checkRoot(options.owner, options.mode);
  const driver = driverOf(kind);
  driver.check({
    folder: `${store.root}/data`,
    ...(size === undefined ? {} : { size }),
    ...(inodes === undefined ? {} : { inodes }),
    ...(fstype === undefined ? {} : { fstype }),
  });
  signal?.throwIfAborted();
  const left = findRow(state, name);
  if (left !== undefined && isLeft(left)) {
    await removeVolume(store, name, signal).catch((error) => {
      // Another process may be faster.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  const isFolder = driver.isFolder === true && creation.make === undefined &&
    creation.fill === undefined;
  let row: Row;
  const make = async () => {
    const place = placeOf(store, row);
    await Deno.mkdir(place.folder, { mode: 0o700 });
    if (creation.make !== undefined) await creation.make(place);
    else {
      await driver.create(place, signal);
      if (kind !== "foreign" && kind !== "view") {
        await whileMounted(store, row, signal, async (root) => {
          await prepareRoot(root, row);
          // Owner and mode of the root too.
          if (creation.fill === undefined) return syncDirectory(root);
          await creation.fill(root);
          using folder = openAt(undefined, root, OpenFlag.DIRECTORY);
          await syncFs(folder);
        });
      }
    }
    signal?.throwIfAborted();
    syncDirectory(place.folder);
    syncDirectory(`${store.root}/data`);
  };
  using _lock = kind === "view"
    ? await lockFile(store.gcLock, {
      exclusive: false,
      ...(signal === undefined ? {} : { signal }),
    })
    : undefined;
  await withIntent(state, {
    record() {
      row = insertRow(store, name, options);
    },
    effect: () => isFolder ? makeFolderAlone(store, row) : make(),
    settle() {
      state.prepare(
        `UPDATE volumes SET phase = 'ready', owner = NULL, populated = ?
         WHERE id = ? AND phase = 'creating'`,
      ).run(creation.populated ? 1 : 0, row.id);
    },
    async undo() {
      if (!isFolder || takeBack(store, row)) await removeFiles(store, row);
    },
    forget() {
      state.prepare("DELETE FROM volumes WHERE id = ? AND phase = 'creating'")
        .run(row.id);
    },
  }, { durable: !isFolder });
  return {
    ...row!,
    phase: "ready",
    owner: undefined,
    populated: creation.populated ?? false,
  };
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
