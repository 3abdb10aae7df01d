import type { MessageWriter } from "./message_writer.ts";

const encoder = new TextEncoder();
const MOST = 127;

/**
 * Writes a comment into user data, as `nft` does: `u8 type = 0, u8 length`, the
 * string with its NUL.
 */
export function writeComment(
  writer: MessageWriter,
  { type, comment }: { type: number; comment: string },
): void {
  const text = encoder.encode(comment);
  if (text.length > MOST || text.includes(0)) {
    throw new RangeError(
      `Cannot comment with ${
        JSON.stringify(comment)
      }: expected at most ${MOST} bytes without NUL`,
    );
  }
  const data = new Uint8Array(text.length + 3);
  data[1] = text.length + 1;
  data.set(text, 2);
  writer.attribute(type, data);
}

/** Reads the comment from user data, if there is one. */
export function readComment(
  data: Uint8Array<ArrayBuffer> | undefined,
): string | undefined {
  if (data === undefined) return undefined;
  for (let at = 0; at + 2 <= data.length; at += 2 + data[at + 1]!) {
    const end = at + 2 + data[at + 1]!;
    // Data of other programs may have any form: what does not fit is no comment.
    if (end > data.length) return undefined;
    if (data[at] === 0 && data[end - 1] === 0) {
      return new TextDecoder().decode(data.subarray(at + 2, end - 1));
    }
  }
  return undefined;
}
