import { fromContainerd, type Mount } from "@containerkit/mount";
import type { AttachedVolume, AttachVolumeOptions } from "./attached_volume.ts";
import {
  disown,
  ENDS_WITH_BOOT,
  findAttachment,
  forget,
  insertAttachment,
  users,
} from "./_attachments.ts";
import { detachHot } from "./_detach_hot.ts";
import type { Place } from "./_driver.ts";
import { driverOf } from "./_drivers.ts";
import { requireRow, requireStill, type Row, rowOf } from "./_row.ts";
import {
  isStaged,
  placeOf,
  stage,
  type Store,
  unstage,
  whileStaging,
} from "./_stage.ts";
import { trace } from "./_trace.ts";
import { emptyUnfinished } from "./_unfinished.ts";
import type { DetachVolumeOptions } from "./volume_place.ts";

function withAttributes(
  mounts: readonly Mount[],
  attributes: AttachVolumeOptions,
): Mount[] {
  const { signal: _, ...rest } = attributes;
  return mounts.map((mount) => ({ ...mount, ...rest }));
}

/** Whether every user sees it read-only, whatever they ask for. */
function isReadonly({ row }: Place): boolean {
  return row.kind === "view" || row.options.readonly === true;
}

/** Whether what is mounted for a volume may have mounts of its own below. */
function hasMountsBelow({ row }: Place): boolean {
  return row.options.mounts?.some((given) => {
    const mount = given.type === "raw"
      ? fromContainerd({ ...given, type: given.fstype })
      : given;
    return mount.type === "bind" && mount.recursive === true;
  }) ?? false;
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
  const insert = (found: Row): void =>
    state.transaction<void>(() => {
      const row = requireRow(state, name, "attach");
      requireStill(state, found);
      if (row.phase === "filling") {
        throw new Deno.errors.Busy(
          `Cannot attach volume "${name}": it is being filled`,
        );
      }
      insertAttachment(state, id, row.id);
    }, ENDS_WITH_BOOT);
  signal?.throwIfAborted();
  const found = requireRow(state, name, "attach");
  await emptyUnfinished(store, found);
  const place = placeOf(store, found);
  if (isStaged(place)) {
    await whileStaging(place, signal, async () => {
      insert(found);
      try {
        await stage(place, signal);
      } catch (error) {
        forget(state, id);
        throw error;
      }
    });
  } else insert(found);
  const mounts: readonly Mount[] = isStaged(place)
    ? [{
      type: "bind",
      source: place.staged,
      ...(hasMountsBelow(place) ? { recursive: true } : {}),
    }]
    : driverOf(place.row.kind).mounts(place);
  const everywhere = hasMountsBelow(place) ? "recursive" : true;
  let held = true;
  return {
    id,
    mounts: withAttributes(mounts, {
      ...options,
      ...(isReadonly(place)
        ? { readonly: options.readonly || everywhere }
        : {}),
    }),
    keep() {
      if (!held) return;
      disown(state, id);
      held = false;
    },
    async [Symbol.asyncDispose]() {
      if (!held) return;
      await detach(store, id);
      held = false;
    },
  };
}

/** Ends a use of a volume; the last one unmounts it, unless it lives in memory. Nothing happens if it has ended. */
export async function release(
  store: Store,
  id: string,
  options: DetachVolumeOptions = {},
): Promise<void> {
  const { state } = store;
  const found = findAttachment(state, id);
  if (found === undefined) return;
  const row = rowOf(state, found.volume);
  if (found.place !== undefined) {
    await detachHot(row.name, found.place, options);
  }
  const place = placeOf(store, row);
  if (!isStaged(place)) return forget(state, id);
  await whileStaging(place, undefined, async () => {
    forget(state, id);
    if (driverOf(row.kind).staging === "boot") return;
    if (users(state, row.id).length === 0) await unstage(place);
  });
}

/** Ends a use that somebody asked for. */
export async function detach(
  store: Store,
  id: string,
  options: DetachVolumeOptions = {},
): Promise<void> {
  const found = findAttachment(store.state, id);
  if (found === undefined) return;
  const { name: volume } = rowOf(store.state, found.volume);
  await trace(
    "detach",
    () => ({ volume }),
    () => release(store, id, options),
  );
}
