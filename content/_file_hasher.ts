import type { DigestAlgorithm } from "@containerkit/oci";
import { createHash, type Hash } from "node:crypto";
import { ThreadHash } from "./_thread_hash.ts";

/** So much is hashed on this thread: it takes less than to start another one. */
const SMALL = 32 * 1024 * 1024;
/** So much of what is there already is read and hashed before anything else. */
const SMALL_START = 1024 * 1024;
/** So much is read at once. */
const PART = 1024 * 1024;
/** The other thread is told each time so much is new. */
const STEP = 1024 * 1024;

/** What is hashed. */
export interface FileHasherOptions {
  readonly path: string;
  readonly algorithm: DigestAlgorithm;
  /** How many bytes are in the file already. */
  readonly size: number;
  /** How many there will be, if that is known. */
  readonly total: number | undefined;
}

/** Hashes a part of a file. */
function hashPart(
  hash: Hash,
  path: string,
  { from, to }: { from: number; to: number },
): void {
  if (from >= to) return;
  using file = Deno.openSync(path);
  file.seekSync(from, Deno.SeekMode.Start);
  const buffer = new Uint8Array(Math.min(PART, to - from));
  for (let left = to - from; left > 0;) {
    const count = file.readSync(buffer.subarray(0, left));
    if (count === null) {
      throw new Deno.errors.UnexpectedEof(
        `Cannot read "${path}": it is shorter than what was written to it`,
      );
    }
    hash.update(buffer.subarray(0, count));
    left -= count;
  }
}

/**
 * The hash of a file that is being appended to: of a small one by the way, of a large one by another thread that reads
 * what is written, so that neither writing nor resuming waits for it.
 */
export class FileHasher implements Disposable {
  readonly #options: FileHasherOptions;
  #hash: Hash | undefined;
  #done: number;
  #thread: ThreadHash | undefined;
  /** How much the thread was told of. */
  #told = 0;

  constructor(options: FileHasherOptions) {
    const { path, algorithm, size, total = 0 } = options;
    this.#options = options;
    this.#done = size;
    if (size > SMALL_START || total > SMALL) return;
    this.#hash = createHash(algorithm);
    hashPart(this.#hash, path, { from: 0, to: size });
  }

  get algorithm(): DigestAlgorithm {
    return this.#options.algorithm;
  }

  /** Adds bytes that are being appended. */
  update(bytes: Uint8Array): void {
    this.#done += bytes.length;
    if (this.#done > SMALL) this.#hash = undefined;
    else this.#hash?.update(bytes);
  }

  /** Says how much of it is in the file by now, also what came there by itself. */
  advance(written: number): void {
    if (written > this.#done) {
      if (written > SMALL) this.#hash = undefined;
      if (this.#hash !== undefined) {
        const part = { from: this.#done, to: written };
        hashPart(this.#hash, this.#options.path, part);
      }
      this.#done = written;
    }
    if (this.#hash !== undefined || written - this.#told < STEP) return;
    this.#told = written;
    this.#started.advance(written);
  }

  get #started(): ThreadHash {
    const { path, algorithm } = this.#options;
    return this.#thread ??= new ThreadHash(path, algorithm);
  }

  /** The digest of all that was added, which must be in the file. */
  async digest(): Promise<string> {
    const hex = this.#hash?.copy().digest("hex") ??
      await this.#started.digest(this.#done);
    return `${this.algorithm}:${hex}`;
  }

  [Symbol.dispose](): void {
    this.#thread?.[Symbol.dispose]();
    this.#thread = undefined;
  }
}
