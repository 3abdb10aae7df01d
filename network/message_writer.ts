/**
 * Writing netlink messages.
 *
 * @module
 */

const NESTED = 0x8000;
const encoder = new TextEncoder();

/** What {@linkcode MessageWriter.begin} writes. */
export interface MessageHeader {
  /** Of the protocol, such as 16 for `RTM_NEWLINK`. */
  readonly type: number;
  /** `NLM_F_*`. */
  readonly flags: number;
  /** Which request it is. */
  readonly sequence: number;
}

/**
 * Writes netlink messages and their attributes into one growing buffer, as
 * netlink(7) lays them out: little-endian, padded to four bytes.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseMessages } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.begin({ type: 16, flags: 1, sequence: 7 });
 * writer.string(3, "eth0");
 * writer.end();
 * assertEquals(parseMessages(writer.bytes)[0]?.sequence, 7);
 * ```
 */
export class MessageWriter {
  #buffer = new Uint8Array(1024);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #start = 0;

  /** What was written; valid until the next write. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  /** How many bytes were written. */
  get length(): number {
    return this.#length;
  }

  /** Forgets what was written. */
  clear(): void {
    this.#length = 0;
  }

  /** Makes room for `size` bytes, gives where they start. */
  #grow(size: number): number {
    const start = this.#length;
    const end = start + size;
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, start));
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = end;
    return start;
  }

  #pad(): void {
    const from = this.#length;
    const size = -from & 3;
    this.#grow(size);
    this.#buffer.fill(0, from, from + size);
  }

  /** Starts a message. */
  begin(header: MessageHeader): void {
    this.#start = this.#length;
    this.u32(0).u16(header.type).u16(header.flags).u32(header.sequence).u32(0);
  }

  /** Ends the message: writes its length. */
  end(): void {
    this.#view.setUint32(this.#start, this.#length - this.#start, true);
    this.#pad();
  }

  /** Adds flags to the message that was begun last. */
  addFlags(flags: number): void {
    const at = this.#start + 6;
    this.#view.setUint16(at, this.#view.getUint16(at, true) | flags, true);
  }

  /** Writes one byte of a fixed header. */
  u8(value: number): this {
    const at = this.#grow(1);
    this.#buffer[at] = value;
    return this;
  }

  /** Writes two bytes of a fixed header. */
  u16(value: number): this {
    // The room first: making it may replace the view.
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  /** Writes two bytes of a fixed header, big-endian. */
  be16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
    return this;
  }

  /** Writes four bytes of a fixed header; negative numbers wrap. */
  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  /** Writes bytes as they are, without padding. */
  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** Writes an attribute. */
  attribute(type: number, data: Uint8Array): this {
    if (data.length > 0xffff - 4) {
      throw new RangeError(
        `Cannot write attribute ${type}: ${data.length} bytes are too many`,
      );
    }
    this.u16(4 + data.length).u16(type).raw(data);
    this.#pad();
    return this;
  }

  /** Writes an attribute of one byte. */
  attribute8(type: number, value: number): this {
    this.u16(5).u16(type).u8(value);
    this.#pad();
    return this;
  }

  /** Writes an attribute of two bytes. */
  attribute16(type: number, value: number): this {
    this.u16(6).u16(type).u16(value);
    this.#pad();
    return this;
  }

  /** Writes an attribute of two bytes, big-endian. */
  attributeBe16(type: number, value: number): this {
    this.u16(6).u16(type).be16(value);
    this.#pad();
    return this;
  }

  /** Writes an attribute of four bytes; negative numbers wrap. */
  attribute32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** Writes an attribute of four bytes, big-endian; negative numbers wrap. */
  attributeBe32(type: number, value: number): this {
    this.u16(8).u16(type);
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }

  /** Writes an attribute of eight bytes. */
  attribute64(type: number, value: bigint): this {
    this.u16(12).u16(type);
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }

  /** Writes an attribute of eight bytes, big-endian. */
  attributeBe64(type: number, value: bigint): this {
    this.u16(12).u16(type);
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  /** Writes an attribute without data. */
  flag(type: number): this {
    return this.u16(4).u16(type);
  }

  /** Writes a string attribute, with its NUL. */
  string(type: number, text: string): this {
    if (text.includes("\0")) {
      throw new TypeError(
        `Cannot send ${JSON.stringify(text)} to the kernel: it contains NUL`,
      );
    }
    const { length } = text;
    // Names are short and of ASCII: the encoder takes longer to be asked.
    if (length > 255) return this.attribute(type, encoder.encode(`${text}\0`));
    const start = this.#grow(4 + length + 1);
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at);
      if (code > 127) {
        this.#length = start;
        return this.attribute(type, encoder.encode(`${text}\0`));
      }
      this.#buffer[start + 4 + at] = code;
    }
    this.#buffer[start + 4 + length] = 0;
    this.#view.setUint16(start, 4 + length + 1, true);
    this.#view.setUint16(start + 2, type, true);
    this.#pad();
    return this;
  }

  /** Writes an attribute that holds what `fill` writes. */
  nest(type: number, fill: () => void): this {
    return this.#enclose(type | NESTED, fill);
  }

  /** The same without the mark of a nest, for parsers that are older than it. */
  group(type: number, fill: () => void): this {
    return this.#enclose(type, fill);
  }

  #enclose(type: number, fill: () => void): this {
    const start = this.#grow(4);
    this.#view.setUint16(start + 2, type, true);
    fill();
    const size = this.#length - start;
    if (size > 0xffff) {
      throw new RangeError(
        `Cannot write attribute ${type & ~NESTED}: ${size} bytes are too many`,
      );
    }
    this.#view.setUint16(start, size, true);
    this.#pad();
    return this;
  }

  /** Overwrites two bytes written before, for lengths that are known late. */
  patch16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }
}
