/** Decompressing and hashing on other threads, without starting any: calls of C libraries that Deno's pool waits for. */
import type { DigestAlgorithm } from "@containerkit/oci";
import type { LayerEngine, LayerHash } from "@containerkit/tar/layer";
import { libcrypto, zlib, zstd } from "./_native_symbols.ts";

/** How much is decompressed at once. */
const CHUNK = 1 << 19;
/**
 * How many chunks are asked for before they are needed: the other thread must not stand still whenever this one is
 * held up by an entry, a write or a hash.
 */
const AHEAD = 3;
/** One was just given, one may still be used. */
const BUFFERS = AHEAD + 2;
/** Less than this is hashed sooner than handed over. */
const ELSEWHERE = 1 << 15;
const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_BUF_ERROR = -5;
/** gzip with its header. */
const GZIP_WINDOW = 15 + 16;
const Z_STREAM_SIZE = 112;

type Bytes = Uint8Array<ArrayBuffer>;

/** What a call on another thread works with must not be collected meanwhile. */
const busy = new Set<unknown>();

async function held<T>(call: Promise<T>, ...used: unknown[]): Promise<T> {
  busy.add(used);
  try {
    return await call;
  } finally {
    busy.delete(used);
  }
}

/** How far a step of a decompressor came. */
interface Progress {
  readonly read: number;
  readonly written: number;
}

interface Decompressor {
  /** Does as much as fits. */
  step(input: Bytes, output: Bytes): Promise<Progress>;
  /** Whether the input may end here. */
  readonly complete: boolean;
  free(): void;
}

function address(bytes: Bytes): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

function openInflate(): Decompressor | undefined {
  const libz = zlib();
  if (libz === undefined) return undefined;
  const stream = new Uint8Array(new ArrayBuffer(Z_STREAM_SIZE));
  const view = new DataView(stream.buffer);
  const version = new TextEncoder().encode("1.2.11\0");
  const code = libz.inflateInit2_(stream, GZIP_WINDOW, version, Z_STREAM_SIZE);
  if (code !== Z_OK) return undefined;
  let complete = true;
  return {
    get complete() {
      return complete;
    },
    async step(input, output) {
      // Another member may follow; zeros are padding.
      if (complete && input[0] === 0) {
        if (input.some((byte) => byte !== 0)) {
          throw new RangeError("Cannot read gzip: something follows its end");
        }
        return { read: input.length, written: 0 };
      }
      if (complete) libz.inflateReset(stream);
      view.setBigUint64(0, address(input), true);
      view.setUint32(8, input.length, true);
      view.setBigUint64(24, address(output), true);
      view.setUint32(32, output.length, true);
      const code = await held(libz.inflate(stream, 0), stream, input, output);
      if (code !== Z_OK && code !== Z_STREAM_END && code !== Z_BUF_ERROR) {
        throw new RangeError(`Cannot read gzip: zlib says ${code}`);
      }
      complete = code === Z_STREAM_END;
      return {
        read: input.length - view.getUint32(8, true),
        written: output.length - view.getUint32(32, true),
      };
    },
    free: () => void libz.inflateEnd(stream),
  };
}

function openZstd(): Decompressor | undefined {
  const lib = zstd();
  const stream = lib?.ZSTD_createDStream() ?? null;
  if (lib === undefined || stream === null) return undefined;
  const output = new BigUint64Array(3);
  const input = new BigUint64Array(3);
  const [outBytes, inBytes] = [output, input].map(({ buffer }) =>
    new Uint8Array(buffer)
  ) as [Bytes, Bytes];
  let complete = true;
  return {
    get complete() {
      return complete;
    },
    async step(from, to) {
      input.set([address(from), BigInt(from.length), 0n]);
      output.set([address(to), BigInt(to.length), 0n]);
      const code = await held(
        lib.ZSTD_decompressStream(stream, outBytes, inBytes),
        from,
        to,
        outBytes,
        inBytes,
      );
      if (lib.ZSTD_isError(code) !== 0) {
        throw new RangeError(`Cannot read zstd: error ${BigInt(code)}`);
      }
      // Zero: a frame is complete and all of it was given out.
      complete = BigInt(code) === 0n;
      return { read: Number(input[2]), written: Number(output[2]) };
    },
    free: () => void lib.ZSTD_freeDStream(stream),
  };
}

/** Chunks of what a decompressor gives, in a few buffers that are filled in turn. */
async function* run(
  chunks: AsyncIterable<Uint8Array>,
  codec: Decompressor,
): AsyncGenerator<Bytes> {
  const buffers = Array.from({ length: BUFFERS }, () => new Uint8Array(CHUNK));
  let turn = 0;
  let filled = 0;
  for await (const chunk of chunks) {
    let input = chunk as Bytes;
    // A full buffer may hide that there is more to come out.
    for (let full = false; input.length > 0 || (full && !codec.complete);) {
      const buffer = buffers[turn % BUFFERS]!;
      const rest = buffer.subarray(filled);
      const { read, written } = await codec.step(input, rest);
      input = input.subarray(read);
      filled += written;
      full = filled === CHUNK;
      if (!full) {
        if (read > 0 || written > 0) continue;
        if (input.length > 0) throw new RangeError("it stands still");
        break;
      }
      turn++;
      filled = 0;
      yield buffer;
    }
  }
  if (!codec.complete) throw new RangeError("the end is cut off");
  if (filled > 0) yield buffers[turn % BUFFERS]!.subarray(0, filled);
}

/** Works on the next chunks while the one before is used. */
async function* ahead(
  chunks: AsyncGenerator<Bytes>,
  end: () => void,
): AsyncGenerator<Bytes> {
  const queue: Promise<IteratorResult<Bytes>>[] = [];
  const ask = () => {
    const next = chunks.next();
    // Thrown when its turn comes.
    next.catch(() => {});
    queue.push(next);
  };
  try {
    for (let count = 0; count < AHEAD; count++) ask();
    for (;;) {
      const { done, value } = await queue.shift()!;
      if (done === true) return;
      ask();
      yield value;
    }
  } finally {
    await Promise.allSettled(queue);
    await chunks.return(undefined);
    end();
  }
}

class NativeHash implements LayerHash {
  readonly #lib: NonNullable<ReturnType<typeof libcrypto>>;
  readonly #context: Deno.PointerObject;
  readonly #size: number;
  #last: Promise<void> | undefined;

  constructor(
    lib: NonNullable<ReturnType<typeof libcrypto>>,
    context: Deno.PointerObject,
    size: number,
  ) {
    this.#lib = lib;
    this.#context = context;
    this.#size = size;
  }

  update(bytes: Uint8Array): void | Promise<void> {
    const size = BigInt(bytes.length);
    const data = bytes as Bytes;
    if (bytes.length < ELSEWHERE && this.#last === undefined) {
      this.#lib.EVP_DigestUpdate(this.#context, data, size);
      return;
    }
    const before = this.#last;
    const update = async () => {
      await before;
      const call = this.#lib.update_elsewhere(this.#context, data, size);
      await held(call, data);
      if (this.#last === mine) this.#last = undefined;
    };
    const mine: Promise<void> = update();
    this.#last = mine;
    return mine;
  }

  digest(): string {
    const bytes = new Uint8Array(new ArrayBuffer(this.#size));
    this.#lib.EVP_DigestFinal_ex(this.#context, bytes, null);
    return bytes.toHex();
  }

  [Symbol.dispose](): void {
    const free = () => this.#lib.EVP_MD_CTX_free(this.#context);
    if (this.#last === undefined) free();
    else this.#last.finally(free);
  }
}

const SIZES: Readonly<Record<DigestAlgorithm, number>> = {
  sha256: 32,
  sha384: 48,
  sha512: 64,
};

/** Reads layers by the machine's zlib, zstd and OpenSSL, each where it is. */
export const nativeEngine: LayerEngine = {
  decompress(chunks, compression) {
    const codec = compression === "gzip" ? openInflate() : openZstd();
    if (codec === undefined) return undefined;
    return ahead(run(chunks, codec), () => codec.free());
  },
  createHash(algorithm) {
    const lib = libcrypto();
    if (lib === undefined) return undefined;
    const context = lib.EVP_MD_CTX_new();
    if (context === null) return undefined;
    const type = lib[`EVP_${algorithm}`]();
    if (lib.EVP_DigestInit_ex(context, type, null) !== 1) {
      lib.EVP_MD_CTX_free(context);
      return undefined;
    }
    return new NativeHash(lib, context, SIZES[algorithm]);
  },
};
