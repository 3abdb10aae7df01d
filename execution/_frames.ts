/** What a frame carries. */
export const Frame = {
  /** A request, an answer or an event, as JSON. */
  MESSAGE: 0,
  STDIN: 1,
  STDOUT: 2,
  STDERR: 3,
  /** No more of the standard input. */
  STDIN_END: 4,
  STDOUT_END: 5,
  STDERR_END: 6,
} as const;

/** One frame: a byte for its kind, four for its length, and what it carries. */
export interface FrameData {
  readonly kind: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

const HEADER = 5;
/** A spec is the largest message, a full pipe the largest chunk. */
const MAX_PAYLOAD = 16 << 20;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Frames over a connection, both ways. */
export class FrameChannel implements Disposable {
  readonly #connection: Deno.Conn;
  #buffer = new Uint8Array(65536);
  #start = 0;
  #end = 0;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Makes room for `size` bytes from the start on. */
  #reserve(size: number): void {
    if (this.#buffer.length - this.#start >= size) return;
    const next = size > this.#buffer.length
      ? new Uint8Array(size)
      : this.#buffer;
    next.set(this.#buffer.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#buffer = next;
  }

  async #fill(size: number): Promise<boolean> {
    this.#reserve(size);
    while (this.#end - this.#start < size) {
      const count = await this.#connection.read(
        this.#buffer.subarray(this.#end),
      );
      if (count === null) return false;
      this.#end += count;
    }
    return true;
  }

  /** The next frame; `undefined` when the other side is gone. */
  async read(): Promise<FrameData | undefined> {
    try {
      if (!await this.#fill(HEADER)) return undefined;
      const view = new DataView(this.#buffer.buffer, this.#start, HEADER);
      const kind = view.getUint8(0);
      const length = view.getUint32(1);
      if (length > MAX_PAYLOAD) {
        throw new Deno.errors.InvalidData(
          `Cannot read a frame: it has ${length} bytes, at most ${MAX_PAYLOAD} are taken`,
        );
      }
      if (!await this.#fill(HEADER + length)) return undefined;
      const from = this.#start + HEADER;
      const payload = this.#buffer.slice(from, from + length);
      this.#start = from + length;
      return { kind, payload };
    } catch (error) {
      const gone = this.#closed ||
        error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.BadResource ||
        error instanceof Deno.errors.Interrupted;
      if (gone) return undefined;
      throw error;
    }
  }

  /** The next message. */
  async readMessage<T>(): Promise<T | undefined> {
    const frame = await this.read();
    return frame === undefined
      ? undefined
      : JSON.parse(decoder.decode(frame.payload));
  }

  /** Writes a frame after those before it; rejects when the other side is gone. */
  write(kind: number, payload: Uint8Array = new Uint8Array()): Promise<void> {
    const bytes = new Uint8Array(HEADER + payload.length);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, kind);
    view.setUint32(1, payload.length);
    bytes.set(payload, HEADER);
    const write = async () => {
      for (let done = 0; done < bytes.length;) {
        done += await this.#connection.write(bytes.subarray(done));
      }
    };
    const result = this.#writing.then(write);
    this.#writing = result.catch(() => {});
    return result;
  }

  /** Writes a message. */
  writeMessage(message: unknown): Promise<void> {
    return this.write(Frame.MESSAGE, encoder.encode(JSON.stringify(message)));
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }
}
