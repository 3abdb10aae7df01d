import { bootId } from "@containerkit/state";
import { checkKey, checkLabels, checkOptions } from "./_arguments.ts";
import { checkCapabilities, findParent } from "./_checks.ts";
import type { Place } from "./_driver.ts";
import { recover } from "./_recover.ts";
import { removeRow } from "./_remove.ts";
import type { Row } from "./_rows.ts";
import type { Store } from "./_store.ts";
import type { PrepareOptions } from "./prepare_options.ts";

const OPTIONS = [
  "labels",
  "lease",
  "volatile",
  "sizeLimit",
  "idmap",
  "transient",
  "signal",
];

/** A layer whose folder is in the trash: who was removing it died before that was recorded. */
class Displaced extends Error {}

function lost(action: string, key: string, parent: string): Error {
  return new Deno.errors.NotFound(
    `Cannot ${action} snapshot "${key}": the files of its parent "${parent}" are gone; repair it`,
  );
}

/** What to make. */
export interface MakeOptions {
  readonly kind: "active" | "view";
  readonly parent: string | undefined;
  readonly options: PrepareOptions;
}

function insert(store: Store, key: string, make: MakeOptions): Row {
  const { kind, parent, options } = make;
  const action = kind === "active" ? "prepare" : "view";
  const { rows, driver } = store;
  if (rows.find(key) !== undefined) {
    throw new Deno.errors.AlreadyExists(
      `Cannot ${action} snapshot "${key}": there is one already`,
    );
  }
  const below = parent === undefined
    ? null
    : findParent(store, parent, { action, key }).id;
  if (below !== null && !store.hasFolder(below)) throw new Displaced();
  const { volatile, sizeLimit, idmap } = options;
  const now = Date.now();
  const id = rows.insert({
    key,
    kind,
    creating: driver.fill === undefined ? 0 : 1,
    transient: options.transient === true ? 1 : 0,
    parent: below,
    labels: JSON.stringify(options.labels ?? {}),
    lease: options.lease ?? null,
    options: JSON.stringify({ volatile, sizeLimit, idmap }),
    boot_id: bootId(),
    created: now,
    updated: now,
  });
  return rows.get(id)!;
}

/** A snapshot that was made, as recorded and as the driver sees it. */
export interface Made {
  readonly row: Row;
  readonly place: Place;
}

/**
 * Adds the row and makes what is quickly made, or neither.
 *
 * With the transaction ends the claim to the number: the next to ask, here or in another process, gets it again. What
 * was made under it is out of the way before that.
 */
function beginSnapshot(store: Store, key: string, make: MakeOptions): Made {
  let id: number | undefined;
  let trash: string | undefined;
  try {
    return store.quickly(() => {
      const row = insert(store, key, make);
      id = row.id;
      store.makeFolder(row.id);
      try {
        const place = store.place(row);
        store.driver.create(place);
        return { row, place };
      } catch (error) {
        trash = store.moveToTrash(row.id);
        throw error;
      }
    });
  } catch (error) {
    // Should the folder or the record itself have failed, the folder is still there: whoever gets the number moves it away.
    if (id !== undefined) store.release(id);
    if (trash !== undefined) void store.destroySoon(trash, undefined);
    throw error;
  }
}

/** Makes an active snapshot or a view. */
export async function makeSnapshot(
  store: Store,
  key: string,
  make: MakeOptions,
): Promise<Made> {
  const { kind, parent, options } = make;
  const { signal } = options;
  const action = kind === "active" ? "prepare" : "view";
  checkKey(action, key);
  checkLabels(action, key, options.labels);
  checkOptions(action, key, options, OPTIONS);
  checkCapabilities(store, { ...options, action, key });
  signal?.throwIfAborted();
  const { driver, rows } = store;
  const known = rows.find(key);
  // Its process may be dead.
  if (known?.creating === 1 || known?.transient === 1) await recover(store);
  if (parent !== undefined && driver.prepareParent !== undefined) {
    const below = findParent(store, parent, { action, key });
    if (!store.hasFolder(below.id)) await recover(store);
    if (!store.hasFolder(below.id)) throw lost(action, key, parent);
    await driver.prepareParent(store.place(below), signal);
  }
  const begin = () => beginSnapshot(store, key, make);
  const made = parent === undefined
    ? begin()
    : await store.referring(begin, signal).catch(async (error) => {
      if (!(error instanceof Displaced)) throw error;
      await recover(store);
      return await store.referring(begin, signal);
    }).catch((error) => {
      if (!(error instanceof Displaced)) throw error;
      throw lost(action, key, parent);
    });
  if (driver.fill === undefined) return made;
  try {
    await driver.fill(made.place, signal);
    store.quickly(() => rows.ready(made.row.id));
  } catch (error) {
    await removeRow(store, made.row);
    throw error;
  }
  return made;
}
