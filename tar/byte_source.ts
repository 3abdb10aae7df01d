/**
 * Where bytes come from.
 *
 * @module
 */

/** Something that fills a buffer, such as an open `Deno.FsFile`. */
export interface ByteReader {
  /**
   * Reads into the buffer.
   *
   * @returns How many bytes, or `null` at the end.
   */
  read(buffer: Uint8Array): Promise<number | null>;
}

/**
 * A stream, or something that fills a buffer.
 *
 * An open file is read several times faster as itself than as its `readable`:
 * the same few buffers are filled again and again.
 */
export type ByteSource = ReadableStream<Uint8Array> | ByteReader;
