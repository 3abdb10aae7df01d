/**
 * Reading archives as the bytes come.
 *
 * @module
 */

import { Parser } from "./_parser.ts";
import type { TarLimits } from "./limit_error.ts";
import type { TarSink } from "./tar_sink.ts";

/** Options of {@linkcode createTarParser}. */
export interface TarParserOptions {
  /** What the archive may ask for. */
  readonly limits?: TarLimits;
  /**
   * Whether global PAX headers count, as POSIX says, or are passed over, as
   * the runtimes of containers do.
   *
   * @default {"apply"}
   */
  readonly globals?: "apply" | "ignore";
  /**
   * Reads on behind the end mark, where the next archive may follow, as `tar --ignore-zeros` does.
   *
   * @default {false}
   */
  readonly concatenated?: boolean;
}

/** A parser that is fed chunks of an archive. */
export interface TarParser {
  /** How many bytes of the archive were pushed. */
  readonly offset: number;
  /** Whether the end mark was seen; what follows it is passed over. */
  readonly ended: boolean;
  /**
   * Makes `push()` return after the call of the sink that is running.
   */
  pause(): void;
  /**
   * Reads the next chunk, of any length; calls the sink for all it holds.
   *
   * @returns How many bytes were read: all, unless paused. Push the rest then.
   * @throws {TarError} If the archive is damaged.
   * @throws {LimitError} If it asks for more than allowed.
   */
  push(chunk: Uint8Array): number;
  /**
   * Says that the archive is complete.
   *
   * @throws {TarError} If it is cut off.
   */
  finish(): void;
}

/**
 * Makes a parser of v7, ustar, PAX and GNU archives.
 *
 * Synchronous and without copies, for hot paths; {@linkcode UntarStream} is the comfortable form.
 *
 * @param sink What gets the entries and their bytes.
 * @param options Limits, and how to treat special headers.
 * @returns The parser, to be fed.
 * @throws {RangeError} If a limit is no number from 0.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 *
 * @example Usage
 * ```ts
 * import { createTarParser, encodeTarHeader } from "@containerkit/tar";
 * import { assertEquals } from "@std/assert";
 *
 * const names: string[] = [];
 * const parser = createTarParser({
 *   entry: (header) => void names.push(header.name),
 *   data() {},
 *   end() {},
 * });
 * parser.push(encodeTarHeader({ name: "etc/", typeflag: "5", mode: 0o755 }));
 * parser.finish();
 * assertEquals(names, ["etc/"]);
 * ```
 */
export function createTarParser(
  sink: TarSink,
  options: TarParserOptions = {},
): TarParser {
  return new Parser(sink, options);
}
