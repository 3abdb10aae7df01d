import {
  bootId,
  type State,
  type TransactionOptions,
} from "@containerkit/state";
import { currentProcess, isAlive, type ProcessIdentity } from "./_process.ts";
import type { VolumeAttachment } from "./volume_attachment.ts";

/** Attachments end with the boot: a power cut that takes their rows does no harm, and nobody waits for the disk. */
export const ENDS_WITH_BOOT: TransactionOptions = { durable: false };

/** Where a volume is attached in the mounts of a running process. */
export interface HotPlace {
  readonly process: ProcessIdentity;
  /** An absolute path there. */
  readonly target: string;
  /** The numbers of its mounts, the lowest first. */
  readonly mounts: readonly number[];
}

/** One use of a volume. */
export interface AttachmentRow {
  readonly id: string;
  readonly volume: number;
  readonly owner: ProcessIdentity | undefined;
  readonly boot: string;
  readonly place: HotPlace | undefined;
  readonly created: number | undefined;
}

function parse(raw: Record<string, unknown>): AttachmentRow {
  const json = (value: unknown) =>
    value === null ? undefined : JSON.parse(String(value));
  return {
    id: String(raw.id),
    volume: Number(raw.volume),
    owner: json(raw.owner),
    boot: String(raw.boot),
    place: json(raw.place),
    created: raw.created === null ? undefined : Number(raw.created),
  };
}

/** Notes a use by this process, inside a transaction. */
export function insertAttachment(
  state: State,
  id: string,
  volume: number,
): void {
  state.prepare(
    "INSERT INTO attachments (id, volume, owner, boot, created) VALUES (?, ?, ?, ?, ?)",
  ).run(id, volume, JSON.stringify(currentProcess()), bootId(), Date.now());
}

/** One use, or `undefined` if it has ended. */
export function findAttachment(
  state: State,
  id: string,
): AttachmentRow | undefined {
  const raw = state.prepare("SELECT * FROM attachments WHERE id = ?").get(id);
  return raw === undefined ? undefined : parse(raw);
}

/** A path without the slashes that say nothing. */
function partsOf(path: string): string {
  return path.split("/").filter((part) => part !== "" && part !== ".")
    .join("/");
}

/** The use that is at a place in the mounts of a running process. */
export function findHot(
  state: State,
  process: number,
  target: string,
): string | undefined {
  return state.prepare("SELECT * FROM attachments WHERE place IS NOT NULL")
    .all().map(parse).findLast(({ place }) =>
      place!.process.pid === process &&
      partsOf(place!.target) === partsOf(target) &&
      isAlive(place!.process)
    )?.id;
}

/** Notes where a use is in the mounts of a running process. */
export function recordHot(state: State, id: string, place: HotPlace): void {
  state.transaction<void>(() => {
    state.prepare("UPDATE attachments SET place = ? WHERE id = ?")
      .run(JSON.stringify(place), id);
  }, ENDS_WITH_BOOT);
}

/** Leaves a use without the process that ends it. */
export function disown(state: State, id: string): void {
  state.transaction<void>(() => {
    state.prepare("UPDATE attachments SET owner = NULL WHERE id = ?").run(id);
  }, ENDS_WITH_BOOT);
}

/** Ends a use in the database. */
export function forget(state: State, id: string): void {
  // What is used cannot be removed, on a full disk either.
  state.makeRoom(() =>
    state.transaction<void>(() => {
      state.prepare("DELETE FROM attachments WHERE id = ?").run(id);
    }, ENDS_WITH_BOOT)
  );
}

/**
 * Whether somebody uses it. What is in the mounts of a running process stays
 * there when the one that put it there dies.
 */
function isLive({ owner, boot, place }: AttachmentRow): boolean {
  if (boot !== bootId()) return false;
  if (place !== undefined) return isAlive(place.process);
  return owner === undefined || isAlive(owner);
}

/** Those who use a volume. Changes nothing: garbage collection asks, also on a full disk. */
export function users(state: State, volume: number): readonly AttachmentRow[] {
  return state.prepare("SELECT * FROM attachments WHERE volume = ?")
    .all(volume).map(parse).filter(isLive);
}

/** Drops the rows of dead processes and of other boots. */
export function forgetEnded(state: State): void {
  const ended = state.prepare("SELECT * FROM attachments").all().map(parse)
    .filter((row) => !isLive(row));
  if (ended.length === 0) return;
  state.transaction<void>(() => {
    const drop = state.prepare("DELETE FROM attachments WHERE id = ?");
    for (const { id } of ended) drop.run(id);
  }, ENDS_WITH_BOOT);
}

/** Drops the rows of a volume that is removed, all of which have ended; inside a transaction. */
export function forgetAll(state: State, volume: number): void {
  state.prepare("DELETE FROM attachments WHERE volume = ?").run(volume);
}

function toInfo(
  { id, owner, place, created }: AttachmentRow,
  volume: string,
): VolumeAttachment {
  return {
    id,
    volume,
    ...(owner === undefined || !isAlive(owner) ? {} : { owner: owner.pid }),
    ...(place === undefined
      ? {}
      : { place: { process: place.process.pid, target: place.target } }),
    ...(created === undefined ? {} : { created: new Date(created) }),
  };
}

/** The uses of all volumes or of one. */
export function listAttachments(
  state: State,
  name: string | undefined,
): VolumeAttachment[] {
  return state.prepare(
    `SELECT attachments.*, name FROM attachments JOIN volumes ON volumes.id = volume
     WHERE ?1 IS NULL OR name = ?1 ORDER BY name, attachments.rowid`,
  ).all(name ?? null).flatMap((raw) => {
    const row = parse(raw);
    return isLive(row) ? [toInfo(row, String(raw.name))] : [];
  });
}

/** Who uses a volume, in words. */
export function describeUsers(rows: readonly AttachmentRow[]): string {
  return rows.map(({ id, owner, place }) =>
    place !== undefined
      ? `process ${place.process.pid}, which has it on "${place.target}"`
      : owner === undefined
      ? `attachment ${id}`
      : `process ${owner.pid}`
  ).join(", ");
}
