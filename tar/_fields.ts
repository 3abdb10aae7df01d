/** The fields of headers, or an error that says which one is wrong. */
import { parseDecimal, parseTime, readNumber, type Time } from "./_numbers.ts";
import type { PaxRecords } from "./_pax.ts";
import { TarError } from "./tar_error.ts";
import { decodeText } from "./text.ts";

/** Where a number stands in a header, and what it is. */
export interface NumberField {
  /** In bytes. */
  readonly length: number;
  readonly what: string;
  /** Where the header is in the archive. */
  readonly offset: number;
}

/** Reads a number of a header. */
export function headerNumber(
  bytes: Uint8Array,
  start: number,
  { length, what, offset }: NumberField,
): number {
  const value = readNumber(bytes, start, length);
  if (value === undefined) {
    throw new TarError(`the ${what} of the header is wrong`, offset);
  }
  return value;
}

/** The value of a PAX record; an empty one takes back what a global one says. */
function valueOf(
  records: PaxRecords | undefined,
  key: string,
): Uint8Array | undefined {
  const value = records?.get(key);
  return value?.length === 0 ? undefined : value;
}

function wrong(key: string, offset: number): TarError {
  return new TarError(`the PAX record "${key}" is wrong`, offset);
}

export function paxText(
  records: PaxRecords | undefined,
  key: string,
  offset: number,
): string | undefined {
  const value = valueOf(records, key);
  if (value === undefined) return undefined;
  if (value.includes(0)) {
    throw new TarError(`the PAX record "${key}" holds NUL`, offset);
  }
  return decodeText(value);
}

export function paxNumber(
  records: PaxRecords | undefined,
  key: string,
  offset: number,
): number | undefined {
  const value = valueOf(records, key);
  if (value === undefined) return undefined;
  const number = parseDecimal(decodeText(value));
  if (number === undefined) throw wrong(key, offset);
  return number;
}

export function paxTime(
  records: PaxRecords | undefined,
  key: string,
  offset: number,
): Time | undefined {
  const value = valueOf(records, key);
  if (value === undefined) return undefined;
  const time = parseTime(decodeText(value));
  if (time === undefined) throw wrong(key, offset);
  return time;
}
