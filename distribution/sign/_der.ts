/**
 * Reading DER ([X.690](https://www.itu.int/rec/T-REC-X.690)): what certificates and timestamps are made of. Nothing but DER is
 * taken: definite lengths in their shortest form, tags of one byte, no bytes left over.
 *
 * @module
 */

/** One value with its tag. */
export interface DerValue {
  /** The tag with its class and form bits. */
  readonly tag: number;
  /** The value's own bytes. */
  readonly content: Uint8Array;
  /** Tag, length and content as they stand. */
  readonly whole: Uint8Array;
}

/** The tags that are met here. */
export const DerTag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  Null: 0x05,
  ObjectIdentifier: 0x06,
  Utf8String: 0x0c,
  Sequence: 0x30,
  Set: 0x31,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
} as const;

function fail(why: string): never {
  throw new SyntaxError(`Cannot parse DER: ${why}`);
}

function readOne(bytes: Uint8Array): DerValue {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) fail("ends too early");
  if ((tag & 0x1f) === 0x1f) fail("a tag of several bytes");
  let length = first;
  let header = 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) fail("a length that is not definite");
    length = 0;
    for (const byte of bytes.subarray(2, 2 + count)) {
      length = length * 256 + byte;
    }
    header += count;
    if (length < 0x80 || length < 256 ** (count - 1)) {
      fail("a length that is not in its shortest form");
    }
  }
  if (header + length > bytes.length) fail("ends too early");
  const whole = bytes.subarray(0, header + length);
  return { tag, content: whole.subarray(header), whole };
}

/** Reads exactly one value. */
export function readDer(bytes: Uint8Array, tag?: number): DerValue {
  const value = readOne(bytes);
  if (value.whole.length !== bytes.length) fail("bytes are left over");
  return tag === undefined ? value : expectTag(value, tag);
}

/** The same value if it has the tag. */
export function expectTag(value: DerValue | undefined, tag: number): DerValue {
  if (value?.tag !== tag) {
    fail(`expected tag ${tag}, found ${value?.tag ?? "nothing"}`);
  }
  return value;
}

/** The values inside a value. */
export function derChildren(value: DerValue): DerValue[] {
  const list: DerValue[] = [];
  for (let rest = value.content; rest.length > 0;) {
    const child = readOne(rest);
    list.push(child);
    rest = rest.subarray(child.whole.length);
  }
  return list;
}

/** The values inside a SEQUENCE. */
export function derSequence(value: DerValue | undefined): DerValue[] {
  return derChildren(expectTag(value, DerTag.Sequence));
}

/** An object identifier in dotted decimals. */
export function derOid(value: DerValue | undefined): string {
  const { content } = expectTag(value, DerTag.ObjectIdentifier);
  const arcs: bigint[] = [];
  let arc = 0n;
  content.forEach((byte, index) => {
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0n;
    } else if (index === content.length - 1) {
      fail("an identifier ends too early");
    }
  });
  const [first = 0n, ...rest] = arcs;
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...rest].join(".");
}

/** An INTEGER in hexadecimal, two's complement. */
export function derInteger(value: DerValue | undefined): string {
  return expectTag(value, DerTag.Integer).content.toHex();
}

/** A BIT STRING of whole bytes. */
export function derBits(value: DerValue | undefined): Uint8Array {
  const { content } = expectTag(value, DerTag.BitString);
  if (content[0] !== 0) fail("a bit string that is not of whole bytes");
  return content.subarray(1);
}

/** A UTCTime or GeneralizedTime in milliseconds since 1970. */
export function derTime(value: DerValue | undefined): number {
  const text = new TextDecoder("ascii").decode(value?.content);
  const pattern = value?.tag === DerTag.UtcTime
    ? /^(\d{2})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)()Z$/
    : value?.tag === DerTag.GeneralizedTime
    ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z$/
    : fail(`expected a time, found tag ${value?.tag ?? "nothing"}`);
  const [, year = "", month, day, hour, minute, second, fraction = ""] =
    pattern.exec(text) ?? fail("a malformed time");
  const full = year.length === 4
    ? year
    : Number(year) < 50
    ? `20${year}`
    : `19${year}`;
  const time = Date.parse(
    `${full}-${month}-${day}T${hour}:${minute}:${second}${
      fraction.slice(0, 4)
    }Z`,
  );
  return Number.isNaN(time) ? fail("a malformed time") : time;
}
