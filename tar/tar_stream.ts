/**
 * Writing archives.
 *
 * @module
 */

import { encodeTarHeader, type TarHeaderInit } from "./encode_tar_header.ts";
import { TypeFlag } from "./tar_header.ts";

const BLOCK = 512;

/** What an entry says beside its path and size; all of it has a default. */
export type TarStreamOptions = Partial<
  Omit<TarHeaderInit, "name" | "size" | "typeflag" | "linkname">
>;

/** A regular file to write. */
export interface TarStreamFile {
  /** Which variant this is. */
  readonly type: "file";
  /** Its path in the archive. */
  readonly path: string;
  /** Bytes of its body. */
  readonly size: number;
  /** The body; exactly `size` bytes. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What else to say about it. */
  readonly options?: TarStreamOptions;
}

/** A directory to write. */
export interface TarStreamDir {
  /** Which variant this is. */
  readonly type: "directory";
  /** Its path in the archive; a slash is added at its end. */
  readonly path: string;
  /** What else to say about it. */
  readonly options?: TarStreamOptions;
}

/** A link to write. */
export interface TarStreamLink {
  /** Symbolic, or a further name of an earlier entry. */
  readonly type: "symlink" | "link";
  /** Its path in the archive. */
  readonly path: string;
  /** What it points to. */
  readonly linkname: string;
  /** What else to say about it. */
  readonly options?: TarStreamOptions;
}

/** A device or named pipe to write; `devmajor` and `devminor` are among the options. */
export interface TarStreamDevice {
  /** Which kind. */
  readonly type: "character-device" | "block-device" | "fifo";
  /** Its path in the archive. */
  readonly path: string;
  /** What else to say about it. */
  readonly options?: TarStreamOptions;
}

/** An entry to write. */
export type TarStreamInput =
  | TarStreamFile
  | TarStreamDir
  | TarStreamLink
  | TarStreamDevice;

const FLAGS: Readonly<Record<TarStreamInput["type"], string>> = {
  file: TypeFlag.FILE,
  directory: TypeFlag.DIRECTORY,
  symlink: TypeFlag.SYMLINK,
  link: TypeFlag.LINK,
  "character-device": TypeFlag.CHARACTER_DEVICE,
  "block-device": TypeFlag.BLOCK_DEVICE,
  fifo: TypeFlag.FIFO,
};

/**
 * Turns entries into an archive; a superset of `TarStream` of `@std/tar`.
 *
 * The same entries give the same bytes. A body that is shorter or longer than
 * its size fails the stream with a RangeError.
 *
 * @example Usage
 * ```ts
 * import { TarStream, type TarStreamInput, UntarStream } from "@containerkit/tar";
 * import { assertEquals } from "@std/assert";
 *
 * const archive = ReadableStream.from<TarStreamInput>([
 *   { type: "directory", path: "bin" },
 *   { type: "symlink", path: "bin/sh", linkname: "dash" },
 *   {
 *     type: "file",
 *     path: "bin/dash",
 *     size: 3,
 *     readable: ReadableStream.from([new Uint8Array(3)]),
 *     options: { mode: 0o755 },
 *   },
 * ]).pipeThrough(new TarStream());
 *
 * const names: string[] = [];
 * for await (const entry of archive.pipeThrough(new UntarStream())) {
 *   names.push(entry.path);
 *   await entry.readable?.cancel();
 * }
 * assertEquals(names, ["bin/", "bin/sh", "bin/dash"]);
 * ```
 */
export class TarStream implements TransformStream<TarStreamInput, Uint8Array> {
  /** The archive. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Takes the entries. */
  readonly writable: WritableStream<TarStreamInput>;
  /** What is being read, and what ends it: a body may stand still. */
  #body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #end = new AbortController();

  /** Makes an empty archive that ends when the writable is closed. */
  constructor() {
    let entries: WritableStreamDefaultController;
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
      // Whoever reads no further has no use for more.
      cancel: (reason) => {
        this.#end.abort(reason);
        entries.error(reason);
      },
    });
    const archive = writable.getWriter();
    this.readable = readable;
    this.writable = new WritableStream<TarStreamInput>({
      start: (controller) => {
        entries = controller;
        const { signal } = controller;
        signal.addEventListener("abort", () => this.#end.abort(signal.reason));
      },
      write: async (entry) => {
        try {
          await this.#write(entry, archive);
        } catch (error) {
          if (this.#end.signal.aborted) throw error;
          this.#end.abort(error);
          await archive.abort(error);
          throw error;
        }
      },
      async close() {
        await archive.write(new Uint8Array(2 * BLOCK));
        await archive.close();
      },
      abort: (reason) => archive.abort(reason),
    });
    const { signal } = this.#end;
    signal.addEventListener("abort", () => {
      this.#body?.cancel(signal.reason).catch(() => {});
    });
  }

  async #write(
    entry: TarStreamInput,
    archive: WritableStreamDefaultWriter<Uint8Array>,
  ): Promise<void> {
    const size = entry.type === "file" ? entry.size : 0;
    const name = entry.type === "directory" && !entry.path.endsWith("/")
      ? `${entry.path}/`
      : entry.path;
    await archive.write(encodeTarHeader({
      ...entry.options,
      name,
      size,
      typeflag: FLAGS[entry.type],
      ...("linkname" in entry ? { linkname: entry.linkname } : {}),
    }));
    if (entry.type !== "file") return;
    const body = this.#body = entry.readable.getReader();
    let written = 0;
    for (;;) {
      const { done, value } = await body.read();
      if (done) break;
      written += value.length;
      if (written > size) {
        throw new RangeError(
          `Cannot write the entry "${name}": its body is longer than ${size} bytes`,
        );
      }
      await archive.write(value);
    }
    this.#end.signal.throwIfAborted();
    body.releaseLock();
    if (written < size) {
      throw new RangeError(
        `Cannot write the entry "${name}": its body has ${written} bytes, expected ${size}`,
      );
    }
    const padding = (BLOCK - size % BLOCK) % BLOCK;
    if (padding > 0) await archive.write(new Uint8Array(padding));
  }
}
