import type { LogFormat } from "./log_options.ts";

/** Which of the two a byte came from. */
export type LogStream = "stdout" | "stderr";

/** A mark of the byte order is part of the text. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();
const NEWLINE = 10;

/** How many lines end in some bytes. */
export function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = -1; (at = bytes.indexOf(NEWLINE, at + 1)) >= 0;) count++;
  return count;
}

/** A head before each line, and a newline behind the last if it has none. */
function cri(stream: LogStream, bytes: Uint8Array, time: string): Uint8Array {
  const full = encoder.encode(`${time} ${stream} F `);
  const part = encoder.encode(`${time} ${stream} P `);
  const isPart = bytes.at(-1) !== NEWLINE;
  const count = countLines(bytes) + Number(isPart);
  const records = new Uint8Array(
    bytes.length + count * full.length + Number(isPart),
  );
  let at = 0;
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline + 1;
    records.set(newline < 0 ? part : full, at);
    records.set(bytes.subarray(start, end), at + full.length);
    at += full.length + end - start;
    start = end;
  }
  if (isPart) records[at] = NEWLINE;
  return records;
}

/** What `JSON.stringify()` makes of objects with a log, stream and time, one a line. */
function json(stream: LogStream, bytes: Uint8Array, time: string): Uint8Array {
  const text = decoder.decode(bytes);
  const tail = `,"stream":"${stream}","time":"${time}"}\n`;
  let records = "";
  for (let start = 0; start < text.length;) {
    const end = text.indexOf("\n", start) + 1 || text.length;
    records += `{"log":${JSON.stringify(text.slice(start, end))}${tail}`;
    start = end;
  }
  return encoder.encode(records);
}

/** Each makes the records of all lines, which end with a newline and have none within. */
export const LOG_FORMATS: Readonly<
  Record<
    Exclude<LogFormat, "raw">,
    (stream: LogStream, bytes: Uint8Array, time: string) => Uint8Array
  >
> = { cri, json };
