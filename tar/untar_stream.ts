/**
 * Reading archives entry by entry.
 *
 * @module
 */

import { createTarParser, type TarParserOptions } from "./create_tar_parser.ts";
import type { TarHeader } from "./tar_header.ts";

/** Zeros for the holes of sparse files, this many bytes at a time. */
const ZEROS = 1 << 16;

/** An entry of an archive. */
export interface TarStreamEntry {
  /** The path as the archive has it, the same as `header.name`. */
  readonly path: string;
  /** All that the archive says about it. */
  readonly header: TarHeader;
  /**
   * The body of a regular file, with the holes of a sparse one filled by zeros.
   * What is not read when the next entry is asked for is passed over.
   */
  readonly readable?: ReadableStream<Uint8Array>;
}

type Found =
  | { readonly entry: TarHeader }
  | { readonly bytes: Uint8Array; readonly position: number }
  | "end";

/**
 * Turns an archive into its entries; a superset of `UntarStream` of `@std/tar`
 * that reads v7, ustar, PAX and GNU.
 *
 * @example Usage
 * ```ts
 * import { UntarStream } from "@containerkit/tar";
 *
 * const archive = ReadableStream.from([new Uint8Array(1024)]);
 * for await (const entry of archive.pipeThrough(new UntarStream())) {
 *   console.log(entry.path, entry.header.size);
 *   await entry.readable?.cancel();
 * }
 * ```
 */
export class UntarStream
  implements TransformStream<Uint8Array, TarStreamEntry> {
  /** The entries. */
  readonly readable: ReadableStream<TarStreamEntry>;
  /** Takes the archive. */
  readonly writable: WritableStream<Uint8Array>;

  /**
   * Makes a reader of one archive.
   *
   * @param options Limits, and how to treat special headers.
   */
  constructor(options: TarParserOptions = {}) {
    const { readable, writable } = new TransformStream<Uint8Array>();
    this.writable = writable;
    this.readable = new Entries(readable, options).readable;
  }
}

class Entries {
  readonly readable: ReadableStream<TarStreamEntry>;
  readonly #chunks: ReadableStreamDefaultReader<Uint8Array>;
  #found: Found[] = [];
  /** How many of them were given. A large chunk has many: they are not moved each time. */
  #given = 0;
  readonly #parser;
  #body: Body | undefined;

  constructor(chunks: ReadableStream<Uint8Array>, options: TarParserOptions) {
    this.#chunks = chunks.getReader();
    this.#parser = createTarParser({
      entry: (header) => void this.#found.push({ entry: header }),
      data: (bytes, position) => void this.#found.push({ bytes, position }),
      end: () => void this.#found.push("end"),
    }, options);
    this.readable = new ReadableStream<TarStreamEntry>({
      pull: async (controller) => {
        await this.#body?.finish();
        const next = await this.#next();
        if (next === undefined) return controller.close();
        if (typeof next === "string" || !("entry" in next)) {
          throw new Error("Cannot happen: a body without an entry");
        }
        const header = next.entry;
        if (header.size === 0 && "123456".includes(header.typeflag)) {
          await this.#next(); // its end
          this.#body = undefined;
          controller.enqueue({ path: header.name, header });
          return;
        }
        this.#body = new Body(header, () => this.#next());
        const { readable } = this.#body;
        controller.enqueue({ path: header.name, header, readable });
      },
      cancel: (reason) => this.#chunks.cancel(reason),
    }, { highWaterMark: 0 });
  }

  async #next(): Promise<Found | undefined> {
    while (this.#given === this.#found.length) {
      this.#found = [];
      this.#given = 0;
      const { done, value } = await this.#chunks.read();
      if (done) {
        this.#parser.finish();
        return undefined;
      }
      try {
        this.#parser.push(value);
      } catch (error) {
        await this.#chunks.cancel(error);
        throw error;
      }
    }
    return this.#found[this.#given++];
  }
}

class Body {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #next: () => Promise<Found | undefined>;
  readonly #size: number;
  readonly #done = Promise.withResolvers<void>();
  #position = 0;
  #pending: { bytes: Uint8Array; position: number } | undefined;
  #ended = false;

  constructor(header: TarHeader, next: () => Promise<Found | undefined>) {
    this.#next = next;
    this.#size = header.size;
    this.readable = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const chunk = await this.#read();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: () => this.#skip(),
    }, { highWaterMark: 0 });
  }

  /** Waits until the body is read, or passes over what nobody reads. */
  async finish(): Promise<void> {
    if (this.#ended) return;
    if (this.readable.locked) await this.#done.promise;
    else await this.readable.cancel();
  }

  async #skip(): Promise<void> {
    while (!this.#ended) await this.#find();
  }

  async #find(): Promise<void> {
    let next;
    try {
      next = await this.#next();
    } catch (error) {
      this.#end();
      throw error;
    }
    if (next === undefined || next === "end") return this.#end();
    if ("bytes" in next) this.#pending = next;
  }

  #end(): void {
    this.#ended = true;
    this.#pending = undefined;
    this.#done.resolve();
  }

  async #read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#pending === undefined && !this.#ended) await this.#find();
    const until = this.#pending?.position ?? this.#size;
    if (this.#position < until) {
      const length = Math.min(ZEROS, until - this.#position);
      this.#position += length;
      return new Uint8Array(length);
    }
    if (this.#pending === undefined) return undefined;
    const { bytes } = this.#pending;
    this.#pending = undefined;
    this.#position += bytes.length;
    // The chunk may hold other bodies, and a consumer may transfer its buffer away.
    return bytes.slice();
  }
}
