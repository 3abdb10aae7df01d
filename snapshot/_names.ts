import { Buffer } from "node:buffer";
import { encodeText } from "@containerkit/tar";

const ASCII_REGEXP = /^[\0-\x7f]*$/;

/**
 * Text of a tar header as one character per byte, which sorts as bytes do and
 * is written without being encoded.
 */
export function toByteText(text: string): string {
  return ASCII_REGEXP.test(text)
    ? text
    : Buffer.from(encodeText(text)).toString("latin1");
}

/** The other way round, for messages. */
export function fromByteText(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}
