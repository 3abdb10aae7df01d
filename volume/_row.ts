import type { Mount } from "@containerkit/mount";
import type { State } from "@containerkit/state";
import type { ProcessIdentity } from "./_process.ts";
import type { VolumeInfo, VolumeKind } from "./volume_info.ts";

/** What a kind needs besides its limits. */
export interface KindOptions {
  /** The owner of the root. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Permission bits of the root. */
  readonly mode: number;
  /** Whether every user sees it read-only. */
  readonly readonly?: true;
  /** The filesystem of an image. */
  readonly fstype?: "ext4" | "xfs";
  /** The project that limits it, where one does. */
  readonly project?: number;
  /** What a foreign volume or a view shows. */
  readonly mounts?: readonly Mount[];
  /** The snapshot of a view. */
  readonly snapshot?: { readonly type: string; readonly id: string };
}

/** Limits to set; what is not named stays as it is. */
export interface Limits {
  readonly size?: number;
  readonly inodes?: number;
}

/** A volume as the database has it. */
export interface Row {
  readonly id: number;
  readonly name: string;
  readonly kind: VolumeKind;
  readonly phase: "creating" | "ready" | "filling" | "removing";
  /** Who is at it, unless it is ready. Without one in the phase `creating`, its making is to be finished, not undone. */
  readonly owner: ProcessIdentity | undefined;
  readonly size: number | undefined;
  readonly inodes: number | undefined;
  /** New limits of a resize that has not ended: the kernel may have these or those above. */
  readonly resizing: Limits | undefined;
  readonly options: KindOptions;
  readonly labels: Readonly<Record<string, string>>;
  readonly lease: string | undefined;
  readonly populated: boolean;
  readonly created: number;
  readonly boot: string | undefined;
}

type Raw = Record<string, unknown>;

function parse(raw: Raw): Row {
  return {
    id: Number(raw.id),
    name: String(raw.name),
    kind: raw.kind as VolumeKind,
    phase: raw.phase as Row["phase"],
    owner: raw.owner === null ? undefined : JSON.parse(String(raw.owner)),
    size: raw.size === null ? undefined : Number(raw.size),
    inodes: raw.inodes === null ? undefined : Number(raw.inodes),
    resizing: raw.resizing === null
      ? undefined
      : JSON.parse(String(raw.resizing)),
    options: JSON.parse(String(raw.options)),
    labels: JSON.parse(String(raw.labels)),
    lease: raw.lease === null ? undefined : String(raw.lease),
    populated: raw.populated === 1,
    created: Number(raw.created),
    boot: raw.boot === null ? undefined : String(raw.boot),
  };
}

/** All rows, by name. */
export function readRows(state: State): Row[] {
  return state.prepare("SELECT * FROM volumes ORDER BY name").all()
    .map((raw) => parse(raw as Raw));
}

/** One row. */
export function findRow(state: State, name: string): Row | undefined {
  const raw = state.prepare("SELECT * FROM volumes WHERE name = ?").get(name);
  return raw === undefined ? undefined : parse(raw as Raw);
}

/** The row of a number that another row refers to. */
export function rowOf(state: State, id: number): Row {
  return parse(
    state.prepare("SELECT * FROM volumes WHERE id = ?").get(id) as Raw,
  );
}

/** One row whose volume is there: not if it is being made or removed. */
export function findVolume(state: State, name: string): Row | undefined {
  const row = findRow(state, name);
  return row?.phase === "creating" || row?.phase === "removing"
    ? undefined
    : row;
}

/**
 * One row whose volume is there.
 *
 * @throws {Deno.errors.NotFound} If there is none, or it is being made or removed.
 */
export function requireRow(state: State, name: string, action: string): Row {
  const row = findVolume(state, name);
  if (row === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot ${action} volume "${name}": there is no such volume`,
    );
  }
  return row;
}

/**
 * Asks for a volume once more, after waiting.
 *
 * @throws {Deno.errors.NotFound} If it was removed meanwhile, whatever has its name now.
 */
export function requireStill(state: State, { id, name }: Row): void {
  const row = findRow(state, name);
  if (row?.id === id && row.phase !== "removing") return;
  throw new Deno.errors.NotFound(
    `Cannot use volume "${name}": it was removed meanwhile`,
  );
}

/** What others see of a row. */
export function toInfo(row: Row): VolumeInfo {
  const { name, kind, size, inodes, populated, labels, lease, created } = row;
  return {
    name,
    kind,
    populated,
    labels,
    created: new Date(created),
    ...(size === undefined ? {} : { size }),
    ...(inodes === undefined ? {} : { inodes }),
    ...(lease === undefined ? {} : { lease }),
  };
}
