import type { Fd } from "@containerkit/libc";
import { lockFile, type State, type Synchronous } from "@containerkit/state";
import type { Driver, Folder, Place } from "./_driver.ts";
import { exists } from "./_folders.ts";
import { tryHold, tryUpgrade } from "./_hold.ts";
import { readFinalSidecar } from "./_sidecar.ts";
import { symbols } from "./_symbols.ts";
import { openRows, type Row, type Rows } from "./_rows.ts";

/** How many removals of files may be under way. */
const MOST_REMOVALS = 64;

/** Whether an error, of Deno or of a system call, says that there is no such file. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    (error instanceof Error && "code" in error && error.code === "ENOENT");
}

/**
 * The records of a store, its folders, and the locks this process holds on
 * them: what the calls of a snapshotter are made of.
 *
 * The row is what counts. A folder is made inside the transaction that adds its
 * row, and moved to the trash inside the one that removes it: whatever a crash
 * leaves is a folder without a row, in a place where the next one looks.
 */
export class Store implements Disposable {
  readonly root: string;
  readonly driver: Driver;
  readonly state: State;
  readonly rows: Rows;
  /** Removals of files that are under way. */
  readonly #removals = new Set<Promise<void>>();
  /** Locks on snapshots that somebody in this process works with, by id, and by how many handles. */
  readonly #holds = new Map<number, { fd: Fd; handles: number }>();
  readonly #gcLock: string;

  constructor(
    root: string,
    options: { driver: Driver; state: State; gcLock: string },
  ) {
    this.root = root;
    this.#gcLock = options.gcLock;
    this.driver = options.driver;
    this.state = options.state;
    this.rows = openRows(options.state);
  }

  /**
   * Runs a transaction that need not be on the disk when it returns: it survives the death of the process, and after
   * a power cut it is there or not, as a whole. Enough for what is not committed: should its record be older than its
   * folder then, the next `open` takes the folder's word.
   */
  quickly<T>(fn: () => Synchronous<T>): T {
    const { database } = this.state;
    database.exec("PRAGMA synchronous = NORMAL");
    try {
      return this.state.transaction(fn);
    } finally {
      database.exec("PRAGMA synchronous = FULL");
    }
  }

  /**
   * Does something that refers to a layer, or needs it to stay. Garbage collection, of whatever process, removes nothing
   * meanwhile, and looks again before it goes on.
   */
  async referring<T>(
    fn: () => Synchronous<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    using _lock = await lockFile(this.#gcLock, {
      exclusive: false,
      ...(signal === undefined ? {} : { signal }),
    });
    return fn() as T;
  }

  /** The folder of a snapshot. */
  folder(id: number): Folder {
    return { id, dir: `${this.root}/layers/${id}` };
  }

  /** Whether the folder of a snapshot is in its place. */
  hasFolder(id: number): boolean {
    return exists(this.folder(id).dir);
  }

  /** A row as the driver sees it. */
  place(row: Row): Place {
    const parents = row.parent === null
      ? []
      : this.rows.chain(row.parent).map((id) => this.folder(id));
    return {
      ...this.folder(row.id),
      key: row.key,
      kind: row.kind,
      parent: row.parent_key ?? undefined,
      parents,
      options: JSON.parse(row.options),
      diffId: row.diff_id ?? undefined,
      usage: row.size === null ? undefined : {
        size: row.size,
        ...(row.inodes === null ? {} : { inodes: row.inodes }),
      },
    };
  }

  /** The row of a name. One that is still being made is not there yet. */
  require(action: string, name: string): Row {
    const row = this.rows.find(name);
    if (row === undefined || row.creating === 1) {
      throw new Deno.errors.NotFound(
        `Cannot ${action} snapshot "${name}": there is none in "${this.root}"`,
      );
    }
    return row;
  }

  /** Makes the folder of a row that was just added, and keeps it locked. */
  makeFolder(id: number): void {
    const { dir } = this.folder(id);
    try {
      Deno.mkdirSync(dir, { mode: 0o700 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      // Left by a transaction that was never committed: its number is free again.
      this.checkAge(id);
      this.moveToTrash(id);
      Deno.mkdirSync(dir, { mode: 0o700 });
    }
    this.hold(id);
  }

  /** Refuses to take for unfinished what is a layer by records that are newer than these. */
  checkAge(id: number): void {
    const layer = readFinalSidecar(this.folder(id));
    if (layer === undefined) return;
    throw new Deno.errors.InvalidData(
      `Cannot use state "${this.root}/state.db": it is older than layer "${layer.name}", as one from a backup is; "rebuild" adds the layers that it lacks`,
    );
  }

  /** Moves a folder out of the way; gives the new place, or `undefined` if it is gone. */
  moveToTrash(id: number): string | undefined {
    const trash = `${this.root}/trash/${id}.${crypto.randomUUID()}`;
    try {
      Deno.renameSync(this.folder(id).dir, trash);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
    return trash;
  }

  /** Moves a folder back when the transaction that removed its row failed. */
  moveBack(id: number, trash: string): void {
    Deno.renameSync(trash, this.folder(id).dir);
  }

  /** Removes a folder in the trash while others go on; waits only when too many are under way. */
  async destroySoon(trash: string, lock: Fd | undefined): Promise<void> {
    while (this.#removals.size >= MOST_REMOVALS) {
      await Promise.race(this.#removals);
    }
    const removal = this.driver.destroy(trash)
      // What cannot go now is left for a cleanup, which says why.
      .catch(() => {})
      .then(async () => {
        if (lock !== undefined) await symbols().close_elsewhere(lock.release());
        this.#removals.delete(removal);
      });
    this.#removals.add(removal);
  }

  /** Waits until all files are removed. */
  async drain(): Promise<void> {
    await Promise.all(this.#removals);
  }

  /** How many handles of this process work with a snapshot. */
  holds(id: number): number {
    return this.#holds.get(id)?.handles ?? 0;
  }

  /**
   * Locks a snapshot against removal by other processes, until each of so many handles more has let go.
   *
   * @returns Whether it is locked; if not, another excludes it.
   */
  hold(id: number, handles = 1): boolean {
    if (handles === 0) return true;
    const held = this.#holds.get(id);
    if (held !== undefined) {
      held.handles += handles;
      return true;
    }
    const fd = tryHold(this.folder(id).dir, "shared");
    if (fd !== undefined) this.#holds.set(id, { fd, handles });
    return fd !== undefined;
  }

  /** Lets go of a snapshot, for one handle. */
  release(id: number): void {
    const held = this.#holds.get(id);
    if (held === undefined || --held.handles > 0) return;
    this.#holds.delete(id);
    held.fd.close();
  }

  /**
   * Locks a snapshot against everything; also takes over what all handles of this process hold.
   *
   * @returns The lock, or `undefined` if its folder is gone.
   */
  exclude(action: string, row: Row): Fd | undefined {
    const own = this.#holds.get(row.id);
    try {
      const fd = own === undefined
        ? tryHold(this.folder(row.id).dir, "exclusive")
        : tryUpgrade(own.fd);
      if (fd === undefined) {
        throw new Deno.errors.Busy(
          `Cannot ${action} snapshot "${row.key}": another process uses it`,
        );
      }
      this.#holds.delete(row.id);
      return fd;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /**
   * Whoever has just got a lock asks whether the row is as it was: it may have been looked up before another process
   * committed or removed it, and the folder may lie in the trash.
   */
  confirm(action: string, row: Row): void {
    if (this.rows.get(row.id)?.kind === row.kind) return;
    throw new Deno.errors.NotFound(
      `Cannot ${action} snapshot "${row.key}": it was committed or removed meanwhile`,
    );
  }

  /** What a call fails with where a row has no folder. */
  lost(action: string, row: Row): Error {
    return new Deno.errors.NotFound(
      `Cannot ${action} snapshot "${row.key}": its files are gone`,
    );
  }

  /** Lets go of everything and closes the records. */
  [Symbol.dispose](): void {
    for (const { fd } of this.#holds.values()) fd.close();
    this.#holds.clear();
    this.state.close();
  }
}
