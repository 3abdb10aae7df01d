import type { DigestAlgorithm } from "@containerkit/oci";
import { createHash, type Hash } from "node:crypto";
import { breathe } from "./_context.ts";
import { ThreadHash } from "./_thread_hash.ts";

/** So much is hashed on this thread: it takes less than to start another one. */
const SMALL = 32 * 1024 * 1024;
/**
 * So much is hashed at once, without knowing whether there will be too much for this thread. What follows is left in the
 * file then: another thread has to begin at the first byte, and what was hashed here would be for nothing.
 */
const SMALL_START = 1024 * 1024;
/** So much is read at once. */
const PART = 1024 * 1024;
/** The other thread is told each time so much is new, and others have their turn. */
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

/**
 * The hash of a file that is being appended to: of a small one on this thread, of a large one by another thread that
 * reads what is written, so that neither writing nor resuming waits for it.
 */
export class FileHasher implements Disposable {
  readonly #options: FileHasherOptions;
  /** `undefined` once it is left to the other thread. */
  #hash: Hash | undefined;
  /** How much is hashed on this thread, while this thread does it. */
  #hashed = 0;
  /** How much was added. */
  #done: number;
  /** Up to here what is added is hashed at once. */
  readonly #eager: number;
  #thread: ThreadHash | undefined;
  /** How much the thread was told of. */
  #told = 0;

  constructor(options: FileHasherOptions) {
    const { algorithm, size, total } = options;
    this.#options = options;
    this.#done = size;
    this.#eager = total ?? SMALL_START;
    if (size > SMALL_START || (total ?? 0) > SMALL) return;
    this.#hash = createHash(algorithm);
    this.#catchUp(size);
  }

  get algorithm(): DigestAlgorithm {
    return this.#options.algorithm;
  }

  /** Adds bytes that are being appended. */
  update(bytes: Uint8Array): void {
    const isNext = this.#hashed === this.#done;
    this.#done += bytes.length;
    if (this.#done > SMALL) this.#hash = undefined;
    if (!isNext || this.#done > this.#eager || this.#hash === undefined) return;
    this.#hash.update(bytes);
    this.#hashed = this.#done;
  }

  /** Says how much of it is in the file by now, also what came there by itself. */
  advance(written: number): void {
    if (written > this.#done) this.#done = written;
    if (written > SMALL) this.#hash = undefined;
    if (this.#hash !== undefined) {
      if (written <= this.#eager) this.#catchUp(written);
      return;
    }
    if (written - this.#told < STEP) return;
    this.#told = written;
    this.#started.advance(written);
  }

  /** Hashes what is in the file. */
  #catchUp(written: number): void {
    if (this.#hash === undefined || this.#hashed >= written) return;
    const { path } = this.#options;
    using file = Deno.openSync(path);
    file.seekSync(this.#hashed, Deno.SeekMode.Start);
    const buffer = new Uint8Array(Math.min(PART, written - this.#hashed));
    while (this.#hashed < written) {
      const left = written - this.#hashed;
      const count = file.readSync(buffer.subarray(0, left));
      if (count === null) {
        throw new Deno.errors.UnexpectedEof(
          `Cannot read "${path}": it is shorter than what was written to it`,
        );
      }
      this.#hash.update(buffer.subarray(0, count));
      this.#hashed += count;
    }
  }

  get #started(): ThreadHash {
    const { path, algorithm } = this.#options;
    return this.#thread ??= new ThreadHash(path, algorithm);
  }

  /** The digest of all that was added, which must be in the file. */
  async digest(): Promise<string> {
    while (this.#hash !== undefined && this.#hashed < this.#done) {
      this.#catchUp(Math.min(this.#hashed + STEP, this.#done));
      await breathe();
    }
    const hex = this.#hash?.copy().digest("hex") ??
      await this.#started.digest(this.#done);
    return `${this.algorithm}:${hex}`;
  }

  [Symbol.dispose](): void {
    this.#thread?.[Symbol.dispose]();
    this.#thread = undefined;
  }
}
