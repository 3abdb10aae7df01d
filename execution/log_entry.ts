/**
 * What a log is made of.
 *
 * @module
 */

/** A piece of a log: a line, or the part of one that came at once. */
export interface LogEntry {
  /** Which output it came from; what is raw does not say. */
  readonly stream: "stdout" | "stderr" | undefined;
  /** When, as RFC 3339; what is raw does not say. */
  readonly time: string | undefined;
  /** The text, with the newline if the line is complete. */
  readonly text: Uint8Array<ArrayBuffer>;
}
