import { checkIdMap } from "@containerkit/mount";
import type { Row } from "./_rows.ts";
import type { Store } from "./_store.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import type { PrepareOptions } from "./prepare_options.ts";

/** Refuses options that the driver cannot keep here. */
export function checkCapabilities(
  store: Store,
  options: PrepareOptions & { action: string; key: string },
): void {
  const { action, key, sizeLimit } = options;
  // Where `volatile` is not to be had nothing is lost: what need not be written back is.
  for (const name of ["sizeLimit", "idmap"] as const) {
    const capability = store.driver.capabilities[name];
    if (options[name] === undefined || capability.supported) continue;
    throw new Deno.errors.NotSupported(
      `Cannot ${action} snapshot "${key}" with ${name}: ${capability.reason}`,
    );
  }
  if (options.idmap !== undefined) checkIdMap(options.idmap);
  if (
    sizeLimit !== undefined &&
    (!Number.isSafeInteger(sizeLimit) || sizeLimit <= 0)
  ) {
    throw new RangeError(
      `Cannot ${action} snapshot "${key}": sizeLimit is ${sizeLimit}, expected bytes from 1`,
    );
  }
}

/** The row of a parent, which must be committed. */
export function findParent(
  store: Store,
  parent: string,
  options: { action: string; key: string },
): Row {
  const { action, key } = options;
  const row = store.rows.find(parent);
  if (row === undefined || row.creating === 1) {
    throw new Deno.errors.NotFound(
      `Cannot ${action} snapshot "${key}": its parent "${parent}" is not there`,
    );
  }
  if (row.kind !== "committed") {
    throw new TypeError(
      `Cannot ${action} snapshot "${key}": its parent "${parent}" is not committed`,
    );
  }
  return row;
}

/** Refuses to mount a layer itself: nothing may change it. */
export function checkMountable(action: string, row: Row): void {
  if (row.kind !== "committed") return;
  throw new SnapshotStateError(
    action,
    row.key,
    "it is committed; prepare or view a snapshot of it",
  );
}

/** Refuses what is no layer. */
export function checkCommitted(action: string, row: Row): void {
  if (row.kind === "committed") return;
  throw new SnapshotStateError(action, row.key, "it is not committed");
}

/** Refuses to remove what others are built on. */
export function checkChildless(store: Store, row: Row): void {
  const children = store.rows.children(row.id);
  if (children === 0) return;
  throw new SnapshotStateError(
    "remove",
    row.key,
    `${children} ${
      children === 1 ? "snapshot is" : "snapshots are"
    } built on it`,
  );
}
