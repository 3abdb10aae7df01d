import type { Folder } from "./_driver.ts";
import { removeIfThere } from "./_folders.ts";
import type { KeptOptions } from "./_rows.ts";

/** What lies beside a layer, so that the records can be made anew from the folders alone. */
export interface Sidecar {
  readonly version: 1;
  readonly id: number;
  readonly name: string;
  /** The id of the parent. */
  readonly parent: number | null;
  readonly diffId: string | null;
  readonly size: number;
  readonly inodes: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly lease: string | null;
  readonly options: KeptOptions;
  readonly created: number;
}

const NAME = "snapshot.json";
/** The mode of one whose row is durable: nothing else makes it read-only. */
const FINAL = 0o400;

/** Writes it; durable once the filesystem is synced. */
export function writeSidecar(dir: string, sidecar: Sidecar): void {
  const temporary = `${dir}/${NAME}.new`;
  Deno.writeTextFileSync(temporary, `${JSON.stringify(sidecar)}\n`, {
    mode: 0o600,
  });
  Deno.renameSync(temporary, `${dir}/${NAME}`);
}

/**
 * Notes that the row of a layer is durable. Called once it is, so that a power cut can take the note, but never leave it
 * without the row: whoever finds it without has records of an earlier time.
 */
export function finishSidecar(dir: string): void {
  try {
    Deno.chmodSync(`${dir}/${NAME}`, FINAL);
  } catch {
    // The layer is committed whether it can be noted or not.
  }
}

/** Reads that of a layer whose row was durable; `undefined` if it cannot be told. */
export function readFinalSidecar({ dir, id }: Folder): Sidecar | undefined {
  try {
    const { mode } = Deno.lstatSync(`${dir}/${NAME}`);
    if (((mode ?? 0) & 0o777) !== FINAL) return;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  const sidecar = readSidecar(dir);
  // A repair that was cut off leaves that of another layer.
  return sidecar?.id === id ? sidecar : undefined;
}

/** Removes it: the folder is no layer after all. */
export function removeSidecar(dir: string): void {
  removeIfThere(`${dir}/${NAME}`);
}

function isSidecar(value: unknown): value is Sidecar {
  if (typeof value !== "object" || value === null) return false;
  const it = value as Record<string, unknown>;
  return it.version === 1 && Number.isSafeInteger(it.id) &&
    typeof it.name === "string" && it.name !== "" &&
    (it.parent === null || Number.isSafeInteger(it.parent)) &&
    (it.diffId === null || typeof it.diffId === "string") &&
    Number.isSafeInteger(it.size) &&
    (it.inodes === null || Number.isSafeInteger(it.inodes)) &&
    Number.isSafeInteger(it.created) &&
    typeof it.labels === "object" && it.labels !== null &&
    Object.values(it.labels).every((label) => typeof label === "string") &&
    (it.lease === null || typeof it.lease === "string") &&
    typeof it.options === "object" && it.options !== null;
}

/** Reads it; `undefined` if there is none or it is damaged. */
export function readSidecar(dir: string): Sidecar | undefined {
  try {
    const value: unknown = JSON.parse(Deno.readTextFileSync(`${dir}/${NAME}`));
    return isSidecar(value) ? value : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) {
      return undefined;
    }
    throw error;
  }
}
