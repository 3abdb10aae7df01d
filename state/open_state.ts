/**
 * Opening a state file.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { giveUp, hasRoom, isFull, setAside } from "./_reserve.ts";
import { State } from "./state.ts";
import { StateVersionError } from "./state_version_error.ts";

/** Options of {@linkcode openState}. */
export interface OpenStateOptions {
  /**
   * The schema, as the statements that lead from each version to the next. Append only: what was released must not
   * change.
   */
  migrations: readonly string[];
  /**
   * How long to wait for other processes that write, in milliseconds. The event loop waits too. SQLite does not serve first who
   * waits longest: with twenty busy processes a wait of ten seconds was seen.
   *
   * @default {60_000}
   */
  timeout?: number;
  /**
   * So many bytes are set aside beside the file, for the time when the disk is full: then they are what the file is opened in, and
   * what `makeRoom()` does its work in. They are set aside anew when the file is opened and there is room.
   *
   * @default {0}
   */
  reserve?: number;
}

/** Pages kept in memory at most, in KiB: with SQLite's 2 MiB a walk by an index reads most pages anew. */
const CACHE = 32 * 1024;

interface Connection {
  readonly database: DatabaseSync;
  readonly statements: Map<string, StatementSync>;
  readonly migrations: readonly string[];
  users: number;
}

/** A second connection to the same file in this process could wait for the first, which never gets to run. */
const connections = new Map<string, Connection>();

function version(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.user_version);
}

/** Journal mode changes fail at once when another process opens the file at the same moment, whatever the timeout. */
function useWal(database: DatabaseSync, timeout: number): void {
  for (const end = performance.now() + timeout;;) {
    try {
      database.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (
        !(error instanceof Error) || !/locked|busy/.test(error.message) ||
        performance.now() > end
      ) {
        throw error;
      }
    }
  }
}

function checkedVersion(
  path: string,
  database: DatabaseSync,
  known: number,
): number {
  const found = version(database);
  if (found > known) throw new StateVersionError(path, { found, known });
  return found;
}

function migrate(
  path: string,
  database: DatabaseSync,
  migrations: readonly string[],
): void {
  const known = migrations.length;
  if (checkedVersion(path, database, known) === known) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have been faster.
    const found = checkedVersion(path, database, known);
    for (const sql of migrations.slice(found)) database.exec(sql);
    database.exec(`PRAGMA user_version = ${known}`);
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** Opens it, on a full disk in what was set aside. */
function connect(path: string, options: OpenStateOptions): Connection {
  const reserve = reserveOf(path);
  let connection: Connection;
  try {
    connection = connectNow(path, options);
  } catch (error) {
    if (!isFull(error) || !giveUp(reserve)) throw error;
    return connectNow(path, options);
  }
  setAside(reserve, options.reserve ?? 0);
  return connection;
}

function connectNow(path: string, options: OpenStateOptions): Connection {
  const { migrations, timeout = 60_000 } = options;
  const database = new DatabaseSync(path, { timeout });
  try {
    checkedVersion(path, database, migrations.length);
    useWal(database, timeout);
    database.exec("PRAGMA synchronous = FULL");
    database.exec(`PRAGMA cache_size = -${CACHE}`);
    migrate(path, database, migrations);
  } catch (error) {
    database.close();
    throw error;
  }
  return { database, statements: new Map(), migrations, users: 0 };
}

function reserveOf(file: string): string {
  return `${file}-reserve`;
}

/** One name per file, however it is written; the file itself may not be there yet. */
function canonical(path: string): string {
  const slash = path.lastIndexOf("/");
  const folder = Deno.realPathSync(slash < 0 ? "." : path.slice(0, slash + 1));
  return `${folder === "/" ? "" : folder}/${path.slice(slash + 1)}`;
}

/**
 * Opens an SQLite file to keep state in, and brings its schema up to date.
 *
 * Write-ahead log, `synchronous=FULL` (what is committed survives a power cut), foreign keys enforced. Opening a file
 * that this process has open already shares the connection. The file must be on a local file system, as its log is
 * shared memory.
 *
 * @param path The file; made if it is not there, in a folder that is.
 * @param options Its schema, and how long others are waited for.
 * @returns The open state.
 * @throws {StateVersionError} If a newer program wrote it; it is not touched then.
 * @throws {TypeError} If this process has it open with other migrations.
 * @throws {Deno.errors.InvalidData} If it is not an SQLite file, or a migration fails.
 * @throws {Deno.errors.NotFound} If the folder is not there.
 * @throws {Error} Of the file system, such as {@linkcode Deno.errors.PermissionDenied}, if it cannot be written; also if
 * the disk is full.
 *
 * @example Usage
 * ```ts
 * import { openState } from "@containerkit/state";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const migrations = ["CREATE TABLE names (name TEXT PRIMARY KEY)"];
 * {
 *   using a = openState(`${folder}/state.db`, { migrations });
 *   using b = openState(`${folder}/state.db`, { migrations });
 *   assertEquals(a.database, b.database);
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function openState(path: string, options: OpenStateOptions): State {
  const file = canonical(path);
  let connection = connections.get(file);
  if (connection === undefined) {
    // SQLite says only that it cannot open a file, not why; and it would let others read a new one.
    Deno.openSync(file, { read: true, write: true, create: true, mode: 0o600 })
      .close();
    try {
      connection = connect(file, options);
    } catch (error) {
      if (
        error instanceof StateVersionError ||
        error instanceof Deno.errors.NotCapable
      ) {
        throw error;
      }
      const reason = error instanceof Error ? error.message : String(error);
      // Nobody must take it for damaged.
      if (isFull(error) && !hasRoom(reserveOf(file))) {
        throw new Error(
          `Cannot open state "${path}": ${reason}: there is no room on the disk`,
          { cause: error },
        );
      }
      throw new Deno.errors.InvalidData(
        `Cannot open state "${path}": ${reason}`,
        { cause: error },
      );
    }
    connections.set(file, connection);
  } else if (
    connection.migrations.length !== options.migrations.length ||
    connection.migrations.some((sql, at) => sql !== options.migrations[at])
  ) {
    throw new TypeError(
      `Cannot open state "${path}": this process has it open with other migrations`,
    );
  }
  const shared = connection;
  shared.users++;
  return new State(path, {
    database: shared.database,
    reserve: reserveOf(file),
    statements: shared.statements,
    release() {
      if (--shared.users > 0) return;
      connections.delete(file);
      shared.database.close();
    },
  });
}
