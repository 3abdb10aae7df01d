import { bootId } from "@containerkit/state";
import type { CreateVolumeOptions } from "./create_volume_options.ts";
import { driverOf } from "./_drivers.ts";
import { currentProcess } from "./_process.ts";
import { findRow, type KindOptions, type Row, rowOf } from "./_row.ts";
import type { Store } from "./_stage.ts";

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
  if ((mounts ?? snapshot?.mounts)?.length === 0) {
    throw new TypeError(
      `Cannot make the volume: one of kind "${kind}" shows at least one mount`,
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

/**
 * Writes the row of a volume that this process is about to make, inside a transaction.
 *
 * @throws {TypeError} If the options do not fit the kind.
 * @throws {Deno.errors.AlreadyExists} If there is one of that name.
 */
export function insertRow(
  { state, root }: Store,
  name: string,
  options: CreateVolumeOptions,
): Row {
  if (findRow(state, name) !== undefined) {
    throw new Deno.errors.AlreadyExists(
      `Cannot create volume "${name}": there is one of that name`,
    );
  }
  const { kind = "dir", size, inodes, labels = {}, lease } = options;
  const { lastInsertRowid } = state.prepare(
    `INSERT INTO volumes
       (name, kind, phase, owner, size, inodes, options, labels, lease, created, boot)
     VALUES (?, ?, 'creating', ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    name,
    kind,
    JSON.stringify(currentProcess()),
    size ?? null,
    inodes ?? null,
    JSON.stringify({
      ...kindOptions(options),
      ...driverOf(kind).choose?.(`${root}/data`),
    }),
    JSON.stringify(labels),
    lease ?? null,
    Date.now(),
    driverOf(kind).staging === "boot" ? bootId() : null,
  );
  return rowOf(state, Number(lastInsertRowid));
}
