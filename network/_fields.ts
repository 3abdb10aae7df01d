import { formatIp, parseIp } from "./ip.ts";
import { formatMac, parseMac } from "./mac.ts";
import type { AttributesByType } from "./_walk_attributes.ts";
import type { MessageWriter } from "./message_writer.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const decoder = new TextDecoder();

/** How one attribute is written and read. */
export interface Field<T> {
  readonly type: number;
  write(writer: MessageWriter, value: T): void;
  read(data: Bytes): T;
}

/** One field for every property: a table is both encoder and decoder. */
export type Fields<T> = { readonly [K in keyof T]-?: Field<NonNullable<T[K]>> };

/** Checks that there are so many bytes: the kernel may grow a field, never shrink it. */
function sized(data: Bytes, size: number): Bytes {
  if (data.length >= size) return data;
  throw new SyntaxError(
    `Cannot parse a netlink attribute of ${data.length} bytes: expected ${size}`,
  );
}

/** A view of at least so many bytes. */
export function view(data: Bytes, size: number): DataView {
  const { buffer, byteOffset, length } = sized(data, size);
  return new DataView(buffer, byteOffset, length);
}

function check(value: number, bits: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new RangeError(
      `Cannot send ${value} to the kernel: expected an integer below 2^${bits}`,
    );
  }
  return value;
}

/** Eight bits. */
export const u8 = (type: number): Field<number> => ({
  type,
  write: (writer, value) => writer.attribute8(type, check(value, 8)),
  read: (data) => sized(data, 1)[0]!,
});

/** Sixteen bits. */
export const u16 = (type: number): Field<number> => ({
  type,
  write: (writer, value) => writer.attribute16(type, check(value, 16)),
  read(data) {
    sized(data, 2);
    return data[0]! | data[1]! << 8;
  },
});

/** Sixteen bits, big-endian. */
export const be16 = (type: number): Field<number> => ({
  type,
  write: (writer, value) => writer.attributeBe16(type, check(value, 16)),
  read: (data) => view(data, 2).getUint16(0),
});

/** Thirty-two bits. */
export const u32 = (type: number): Field<number> => ({
  type,
  write: (writer, value) => writer.attribute32(type, check(value, 32)),
  read(data) {
    sized(data, 4);
    return (data[0]! | data[1]! << 8 | data[2]! << 16 | data[3]! << 24) >>> 0;
  },
});

/** Thirty-two bits, signed. */
export const i32 = (type: number): Field<number> => ({
  type,
  write: (writer, value) => writer.attribute32(type, value),
  read: (data) => view(data, 4).getInt32(0, true),
});

/** Thirty-two bits, big-endian. */
export const be32 = (type: number): Field<number> => ({
  type,
  write: (writer, value) => writer.attributeBe32(type, check(value, 32)),
  read: (data) => view(data, 4).getUint32(0),
});

/** Sixty-four bits, big-endian. */
export const be64 = (type: number): Field<bigint> => ({
  type,
  write: (writer, value) => writer.attributeBe64(type, value),
  read: (data) => view(data, 8).getBigUint64(0),
});

/** A string with its NUL. */
export const text = (type: number): Field<string> => ({
  type,
  write: (writer, value) => writer.string(type, value),
  read: readText,
});

/** Up to the first NUL. */
export function readText(data: Bytes): string {
  const end = data.indexOf(0);
  const bytes = end === -1 ? data : data.subarray(0, end);
  // Names are short and of ASCII: the decoder takes longer to be asked.
  let text = "";
  for (const byte of bytes) {
    if (byte > 127) return decoder.decode(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** An IPv4 or IPv6 address. */
export const ip = (type: number): Field<string> => ({
  type,
  write: (writer, value) => writer.attribute(type, parseIp(value)),
  read: readIp,
});

/** The address in an attribute. */
export function readIp(data: Bytes): string {
  if (data.length !== 4 && data.length !== 16) {
    throw new SyntaxError(
      `Cannot parse an IP address of ${data.length} bytes: expected 4 or 16`,
    );
  }
  return formatIp(data);
}

/** A hardware address. */
export const mac = (type: number): Field<string> => ({
  type,
  write: (writer, value) => writer.attribute(type, parseMac(value)),
  read: formatMac,
});

/** Bytes as they are. */
export const bytes = (type: number): Field<Bytes> => ({
  type,
  write: (writer, value) => writer.attribute(type, value),
  read: (data) => data,
});

/** A number that stands for yes or no. */
export function bool(number: Field<number>): Field<boolean> {
  return {
    type: number.type,
    write: (writer, value) => number.write(writer, Number(value)),
    read: (data) => number.read(data) !== 0,
  };
}

/** A number that stands for a word; one without a word is refused in writing and passed as `unknown-N` in reading. */
export function word<T extends string>(
  number: Field<number>,
  words: Readonly<Record<T, number>>,
): Field<T> {
  return {
    type: number.type,
    write: (writer, value) => number.write(writer, wordNumber(words, value)),
    read: (data) => numberWord(words, number.read(data)),
  };
}

/** The number of a word. */
export function wordNumber<T extends string>(
  words: Readonly<Record<T, number>>,
  value: T,
): number {
  if (!Object.hasOwn(words, value)) {
    throw new TypeError(
      `Cannot send "${value}" to the kernel: expected one of ${
        Object.keys(words).join(", ")
      }`,
    );
  }
  return words[value];
}

/** The word of a number. */
export function numberWord<T extends string>(
  words: Readonly<Record<T, number>>,
  value: number,
): T {
  for (const name in words) if (words[name] === value) return name;
  return `unknown-${value}` as T;
}

/** Writes the attributes of all properties that are set. */
export function writeFields<T extends object>(
  writer: MessageWriter,
  fields: Fields<T>,
  values: T,
): void {
  for (const name in fields) {
    const value = values[name];
    if (value !== undefined && value !== null) {
      fields[name].write(writer, value as NonNullable<T[typeof name]>);
    }
  }
}

/** Reads the properties whose attributes are there. */
export function readFields<T extends object>(
  fields: Fields<T>,
  attributes: AttributesByType,
): Partial<T> {
  const values: Partial<T> = {};
  for (const name in fields) {
    const data = attributes.get(fields[name].type);
    if (data !== undefined) values[name] = fields[name].read(data);
  }
  return values;
}

/** The words whose bits are set. */
export function formatWords<T extends string>(
  words: Readonly<Record<T, number>>,
  bits: number,
): T[] {
  return (Object.keys(words) as T[]).filter((name) =>
    (bits & words[name]) !== 0
  );
}
