/**
 * Blobs that are not complete yet.
 *
 * @module
 */

/** What is known of a ref. */
export interface IngestInfo {
  /** The ref. */
  readonly ref: string;
  /** How many bytes are in the file; what a writer still gathers is not. */
  readonly offset: number;
  /** How many there will be, if that is known. */
  readonly total: number | undefined;
  /** The digest that is expected, if any. */
  readonly expected: string | undefined;
  /** When the first attempt began. */
  readonly started: Date;
  /** When it was last written to. */
  readonly updated: Date;
  /** Who is writing, if somebody is. */
  readonly writer?: {
    /** The process. */
    readonly pid: number;
    /** Since when. */
    readonly since: Date;
  };
}

/**
 * The refs of a store: what is being written, and what was given up and can be resumed.
 *
 * @example Usage
 * ```ts
 * import { openStore } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const writer = await store.writer("layer");
 *   await writer.write(new Uint8Array(3));
 *   await writer.abort();
 *   assertEquals((await store.ingests.get("layer"))?.offset, 3);
 *   await store.ingests.delete("layer");
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
export interface Ingests {
  /** What is known of a ref, or `undefined`. */
  get(ref: string): Promise<IngestInfo | undefined>;
  /**
   * Lists refs.
   *
   * @param filters As of `Store.list()`, with the field `ref`.
   */
  list(filters?: string | readonly string[]): Promise<IngestInfo[]>;
  /**
   * Removes what is written of a ref.
   *
   * @returns Whether there was something.
   * @throws {LockedError} If somebody is writing it.
   */
  delete(ref: string): Promise<boolean>;
}
