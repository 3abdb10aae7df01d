/**
 * An open state file.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { giveUp, isFull } from "./_reserve.ts";

/** What {@linkcode State.transaction} takes: a function that does not return a promise. */
export type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

/** Options of {@linkcode State.transaction}. */
export interface TransactionOptions {
  /**
   * Whether the changes survive a power cut from the moment it returns. Otherwise they become durable with the next ones that
   * are, or later: a power cut may undo them, in order, the newest first; the end of the process does not. It saves the wait for
   * the disk. Inside another transaction that one decides.
   *
   * @default {true}
   */
  durable?: boolean;
}

/** What SQLite says when there is no room on the disk. */
const FULL_REGEXP = /^(database or disk is full|disk I\/O error)/;

/** What SQLite says when another process held the file for the whole timeout. */
const BUSY_REGEXP = /database (?:table )?is locked|database is busy/;

function translate(path: string, error: unknown): unknown {
  if (error instanceof Error && BUSY_REGEXP.test(error.message)) {
    return new Deno.errors.Busy(
      `Cannot use state "${path}": another process kept it locked for too long`,
      { cause: error },
    );
  }
  if (error instanceof Error && FULL_REGEXP.test(error.message)) {
    return new Error(`Cannot write state "${path}": ${error.message}`, {
      cause: error,
    });
  }
  return error;
}

function isPromiseLike(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

/**
 * An open state file: one connection per file and process, whoever opens it. Made by `openState()`.
 *
 * Everything here is synchronous: SQLite is, and a transaction must not wait for anything else.
 *
 * @example Usage
 * ```ts
 * import { openState, type State } from "@containerkit/state";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * {
 *   using state: State = openState(`${folder}/state.db`, {
 *     migrations: ["CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER)"],
 *   });
 *   state.transaction(() =>
 *     state.prepare("INSERT INTO counts VALUES (?, ?)").run("a", 1)
 *   );
 *   assertEquals(state.prepare("SELECT value FROM counts").get()?.value, 1);
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export class State implements Disposable {
  /** The file. */
  readonly path: string;
  #database: DatabaseSync | undefined;
  readonly #statements: Map<string, StatementSync>;
  readonly #reserve: string;
  readonly #release: () => void;

  /**
   * Takes a share in an open connection; `openState()` makes these.
   *
   * @param path The file.
   * @param connection The connection, its statements by text, the file that holds what is set aside, and what to do when this share is given up.
   */
  constructor(
    path: string,
    connection: {
      database: DatabaseSync;
      statements: Map<string, StatementSync>;
      reserve: string;
      release: () => void;
    },
  ) {
    this.path = path;
    this.#database = connection.database;
    this.#statements = connection.statements;
    this.#reserve = connection.reserve;
    this.#release = connection.release;
  }

  /**
   * The connection, for what the other methods do not do.
   *
   * @throws {Deno.errors.BadResource} If the state is closed.
   */
  get database(): DatabaseSync {
    if (this.#database === undefined) {
      throw new Deno.errors.BadResource(
        `Cannot use state "${this.path}": it is closed`,
      );
    }
    return this.#database;
  }

  /**
   * Compiles a statement, once per text: the text must be fixed, values go into its parameters.
   *
   * Do not iterate over one while the same text runs again: it is the same statement.
   *
   * @param sql One statement.
   */
  prepare(sql: string): StatementSync {
    const { database } = this;
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * Runs a function in a transaction that may write (`BEGIN IMMEDIATE`): all of its changes are durable when it
   * returns, none are there if it throws. Inside another one it is a part of that (`SAVEPOINT`).
   *
   * @param fn What to do; must not be asynchronous, as other code would run in the midst of it.
   * @returns What it returns.
   * @throws {TypeError} If it is asynchronous; nothing is changed then.
   * @throws {Deno.errors.Busy} If another process keeps the file locked for longer than the timeout.
   */
  transaction<T>(
    fn: () => Synchronous<T>,
    options: TransactionOptions = {},
  ): T {
    const { database } = this;
    if ((options.durable ?? true) || database.isTransaction) {
      return this.#run("BEGIN IMMEDIATE", fn);
    }
    database.exec("PRAGMA synchronous = NORMAL");
    try {
      return this.#run("BEGIN IMMEDIATE", fn);
    } finally {
      database.exec("PRAGMA synchronous = FULL");
    }
  }

  /**
   * Runs a function that only reads and sees one moment (`BEGIN`), whatever other processes write meanwhile.
   *
   * @param fn What to do; must not be asynchronous.
   * @returns What it returns.
   * @throws {TypeError} If it is asynchronous.
   */
  snapshot<T>(fn: () => Synchronous<T>): T {
    return this.#run("BEGIN", fn);
  }

  /**
   * Does what makes room on the disk. Where that is full it is done once more, in what was set aside for it (`reserve` of
   * `openState()`): what takes things away has to write that down, too.
   *
   * @param fn What to do; leaves nothing behind when it fails, as a transaction does.
   * @returns What it returns.
   */
  makeRoom<T>(fn: () => Synchronous<T>): T {
    try {
      return fn();
    } catch (error) {
      if (!isFull(error) || !giveUp(this.#reserve)) throw error;
      return fn();
    }
  }

  #run<T>(begin: string, fn: () => Synchronous<T>): T {
    const { database } = this;
    const nested = database.isTransaction;
    if (fn.constructor.name === "AsyncFunction") {
      throw new TypeError(
        `Cannot run a transaction on state "${this.path}": the function is asynchronous`,
      );
    }
    try {
      database.exec(nested ? "SAVEPOINT nested" : begin);
    } catch (error) {
      throw translate(this.path, error);
    }
    try {
      const value = fn();
      if (isPromiseLike(value)) {
        throw new TypeError(
          `Cannot run a transaction on state "${this.path}": the function returned a promise`,
        );
      }
      database.exec(nested ? "RELEASE nested" : "COMMIT");
      return value;
    } catch (error) {
      // SQLite ends a transaction itself after some errors, such as a full disk.
      if (database.isTransaction) {
        database.exec(
          nested ? "ROLLBACK TO nested; RELEASE nested" : "ROLLBACK",
        );
      }
      throw translate(this.path, error);
    }
  }

  /** Gives up this share; the last one closes the file. A second call does nothing. */
  close(): void {
    if (this.#database === undefined) return;
    this.#database = undefined;
    this.#release();
  }

  /** Closes it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
