/**
 * Structures of C.
 *
 * @module
 */

/** A field: a number of that width, or so many bytes. */
export type StructField =
  | "u8"
  | "u16"
  | "u32"
  | "i32"
  | "u64"
  | "i64"
  | { readonly bytes: number };

/** What a field holds: 64 bits are a bigint. */
export type StructValue<F extends StructField> = F extends "u64" | "i64"
  ? bigint
  : F extends { readonly bytes: number } ? Uint8Array<ArrayBuffer>
  : number;

/** A layout of named fields, as {@linkcode struct} makes it. */
export interface Struct<F extends Readonly<Record<string, StructField>>> {
  /** In bytes, with padding. */
  readonly size: number;
  /** Where each field starts. */
  readonly offsets: { readonly [K in keyof F]: number };
  /**
   * Writes a structure; what is left out is 0.
   *
   * @param values The fields. Numbers that do not fit are refused with a RangeError.
   */
  encode(
    values: { readonly [K in keyof F]?: StructValue<F[K]> },
  ): Uint8Array<ArrayBuffer>;
  /**
   * Reads a structure.
   *
   * @param bytes Where it is, at least `size` bytes. Fewer are refused with a RangeError.
   */
  decode(bytes: Uint8Array): { [K in keyof F]: StructValue<F[K]> };
}

const WIDTH = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 } as const;
const RANGE: Readonly<Record<string, readonly [bigint, bigint]>> = {
  u8: [0n, 0xffn],
  u16: [0n, 0xffffn],
  u32: [0n, 0xffffffffn],
  i32: [-0x80000000n, 0x7fffffffn],
  u64: [0n, 0xffffffffffffffffn],
  i64: [-0x8000000000000000n, 0x7fffffffffffffffn],
};

/**
 * Declares a structure as C lays it out on x86_64 and aarch64: each field at a multiple of its own width.
 *
 * @typeParam F The fields.
 * @param fields The fields, in order.
 * @param size What `sizeof` gives, to be sure.
 * @returns A writer and a reader.
 * @throws {RangeError} If the fields do not give that size.
 *
 * @example `struct open_how`
 * ```ts
 * import { struct } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const openHow = struct({ flags: "u64", mode: "u64", resolve: "u64" }, 24);
 * const bytes = openHow.encode({ flags: 1n });
 * assertEquals(openHow.decode(bytes).flags, 1n);
 * assertEquals(openHow.offsets.resolve, 16);
 * ```
 */
export function struct<
  const F extends Readonly<Record<string, StructField>>,
>(fields: F, size: number): Struct<F> {
  const offsets: Record<string, number> = {};
  let end = 0;
  let widest = 1;
  for (const [name, field] of Object.entries<StructField>(fields)) {
    const width = typeof field === "string" ? WIDTH[field] : 1;
    end = Math.ceil(end / width) * width;
    offsets[name] = end;
    end += typeof field === "string" ? width : field.bytes;
    widest = Math.max(widest, width);
  }
  end = Math.ceil(end / widest) * widest;
  if (end !== size) {
    throw new RangeError(
      `Cannot declare the structure: its fields take ${end} bytes, expected ${size}`,
    );
  }
  return {
    size,
    offsets: offsets as { [K in keyof F]: number },
    encode(values) {
      const bytes = new Uint8Array(size);
      const view = new DataView(bytes.buffer);
      for (const [name, field] of Object.entries<StructField>(fields)) {
        const value = (values as Record<string, unknown>)[name];
        if (value === undefined) continue;
        put(view, offsets[name]!, { name, field, value });
      }
      return bytes;
    },
    decode(bytes) {
      if (bytes.length < size) {
        throw new RangeError(
          `Cannot read the structure: ${bytes.length} bytes are fewer than ${size}`,
        );
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, size);
      const values: Record<string, unknown> = {};
      for (const [name, field] of Object.entries<StructField>(fields)) {
        values[name] = take(view, offsets[name]!, field);
      }
      return values as { [K in keyof F]: StructValue<F[K]> };
    },
  };
}

function put(
  view: DataView,
  offset: number,
  { name, field, value }: { name: string; field: StructField; value: unknown },
): void {
  if (typeof field !== "string") {
    const bytes = value as Uint8Array;
    if (bytes.length > field.bytes) {
      throw new RangeError(
        `Cannot write the field "${name}": ${bytes.length} bytes are more than ${field.bytes}`,
      );
    }
    new Uint8Array(view.buffer, offset, field.bytes).set(bytes);
    return;
  }
  const number = BigInt(value as number | bigint);
  const [low, high] = RANGE[field]!;
  if (number < low || number > high) {
    throw new RangeError(
      `Cannot write the field "${name}": ${number} is no ${field}`,
    );
  }
  switch (WIDTH[field]) {
    case 1:
      return view.setUint8(offset, Number(number));
    case 2:
      return view.setUint16(offset, Number(number), true);
    case 4:
      return view.setUint32(offset, Number(BigInt.asUintN(32, number)), true);
    case 8:
      return view.setBigUint64(offset, BigInt.asUintN(64, number), true);
  }
}

function take(view: DataView, offset: number, field: StructField): unknown {
  switch (field) {
    case "u8":
      return view.getUint8(offset);
    case "u16":
      return view.getUint16(offset, true);
    case "u32":
      return view.getUint32(offset, true);
    case "i32":
      return view.getInt32(offset, true);
    case "u64":
      return view.getBigUint64(offset, true);
    case "i64":
      return view.getBigInt64(offset, true);
    default:
      return new Uint8Array(
        view.buffer.slice(
          view.byteOffset + offset,
          view.byteOffset + offset + field.bytes,
        ) as ArrayBuffer,
      );
  }
}
