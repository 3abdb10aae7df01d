import { isMountPoint, type Mount, mount, unmount } from "@containerkit/mount";
import { bootId, lockFile, type State } from "@containerkit/state";
import type { AttachedVolume, AttachVolumeOptions } from "./attached_volume.ts";
import type { Place } from "./_driver.ts";
import { driverOf } from "./_drivers.ts";
import { lightly } from "./_lightly.ts";
import { currentProcess, isAlive, type ProcessIdentity } from "./_process.ts";
import { requireRow, type Row } from "./_row.ts";

/** What the functions of this package share of an open store. */
export interface Store {
  readonly state: State;
  /** Where volumes lie. */
  readonly root: string;
  /** Where their filesystems are mounted for this boot. */
  readonly staging: string;
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

interface AttachmentRow {
  readonly id: string;
  readonly owner: ProcessIdentity | undefined;
  readonly boot: string;
}

function attachmentsOf(state: State, volume: number): AttachmentRow[] {
  return state.prepare("SELECT * FROM attachments WHERE volume = ?")
    .all(volume).map((raw) => ({
      id: String(raw.id),
      owner: raw.owner === null ? undefined : JSON.parse(String(raw.owner)),
      boot: String(raw.boot),
    }));
}

/** Those who use a volume. Rows of dead processes and of other boots are dropped on the way. */
export function users(state: State, volume: number): readonly AttachmentRow[] {
  return attachmentsOf(state, volume).filter(({ id, owner, boot }) => {
    const live = boot === bootId() && (owner === undefined || isAlive(owner));
    if (!live) state.prepare("DELETE FROM attachments WHERE id = ?").run(id);
    return live;
  });
}

/** Who uses a volume, in words. */
export function describeUsers(rows: readonly AttachmentRow[]): string {
  return rows.map(({ id, owner }) =>
    owner === undefined ? `attachment ${id}` : `process ${owner.pid}`
  ).join(", ");
}

/**
 * Serialises mounting and unmounting of one volume across processes. A volume
 * that is mounted once for all has to be mounted by the first and unmounted by
 * the last of its users.
 */
export async function whileStaging<T>(
  place: Place & { staged: string },
  signal: AbortSignal | undefined,
  fn: () => Promise<T>,
): Promise<T> {
  await Deno.mkdir(place.staged, { recursive: true, mode: 0o700 });
  using _lock = await lockFile(
    `${place.staged}.lock`,
    signal === undefined ? {} : { signal },
  );
  return await fn();
}

/** Mounts a volume at its place, if it is not yet. */
export async function stage(
  place: Place & { staged: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  if (isMountPoint(place.staged)) return;
  const mounted = await mount(
    driverOf(place.row.kind).mounts(place),
    place.staged,
    signal === undefined ? {} : { signal },
  );
  mounted.keep();
}

/** Unmounts a volume from its place, if it is there. */
export async function unstage(
  place: Place & { staged: string },
): Promise<void> {
  if (isMountPoint(place.staged)) {
    driverOf(place.row.kind).settle?.(place);
    await unmount(place.staged);
  }
  for (const path of [place.staged, `${place.staged}.lock`]) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** Whether its filesystem is mounted once for all users. */
export function isStaged(place: Place): place is Place & { staged: string } {
  return place.staged !== undefined;
}

function forget(state: State, id: string): void {
  lightly<void>(state, () => {
    state.prepare("DELETE FROM attachments WHERE id = ?").run(id);
  });
}

function withAttributes(
  mounts: readonly Mount[],
  attributes: AttachVolumeOptions,
): Mount[] {
  const { signal: _, ...rest } = attributes;
  return mounts.map((mount) => ({ ...mount, ...rest }));
}

/** Attaches a volume; see `VolumeStore.attach`. */
export async function attach(
  store: Store,
  name: string,
  options: AttachVolumeOptions,
): Promise<AttachedVolume> {
  const { state } = store;
  const { signal } = options;
  const id = crypto.randomUUID();
  const insert = (): Row =>
    lightly(state, () => {
      const row = requireRow(state, name, "attach");
      if (row.phase === "filling") {
        throw new Deno.errors.Busy(
          `Cannot attach volume "${name}": it is being filled`,
        );
      }
      state.prepare("INSERT INTO attachments VALUES (?, ?, ?, ?)")
        .run(id, row.id, JSON.stringify(currentProcess()), bootId());
      return row;
    });
  signal?.throwIfAborted();
  const place = placeOf(store, requireRow(state, name, "attach"));
  if (isStaged(place)) {
    await whileStaging(place, signal, async () => {
      insert();
      try {
        await stage(place, signal);
      } catch (error) {
        forget(state, id);
        throw error;
      }
    });
  } else insert();
  const mounts: readonly Mount[] = isStaged(place)
    ? [{ type: "bind", source: place.staged }]
    : driverOf(place.row.kind).mounts(place);
  let held = true;
  return {
    id,
    mounts: withAttributes(
      mounts,
      place.row.options.readonly ? { ...options, readonly: true } : options,
    ),
    keep() {
      if (!held) return;
      lightly<void>(state, () => {
        state.prepare("UPDATE attachments SET owner = NULL WHERE id = ?")
          .run(id);
      });
      held = false;
    },
    async [Symbol.asyncDispose]() {
      if (!held) return;
      held = false;
      await detach(store, id);
    },
  };
}

/** Ends a use of a volume; the last one unmounts it, unless it lives in memory. Nothing happens if it has ended. */
export async function detach(store: Store, id: string): Promise<void> {
  const { state } = store;
  const found = state.prepare(
    `SELECT volumes.name AS name FROM attachments JOIN volumes
     ON volumes.id = attachments.volume WHERE attachments.id = ?`,
  ).get(id);
  if (found === undefined) return;
  const row = requireRow(state, String(found.name), "detach");
  const place = placeOf(store, row);
  if (!isStaged(place)) return forget(state, id);
  await whileStaging(place, undefined, async () => {
    forget(state, id);
    if (driverOf(row.kind).staging === "boot") return;
    if (users(state, row.id).length === 0) await unstage(place);
  });
}
