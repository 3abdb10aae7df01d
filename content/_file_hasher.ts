import type { DigestAlgorithm } from "@containerkit/oci";
import { createHash, type Hash } from "node:crypto";

const CHUNK = 1024 * 1024;

/**
 * Hashes a file from its beginning while bytes are still being appended to it, so that resuming does not wait for the
 * part that is there already.
 */
export class FileHasher {
  readonly algorithm: DigestAlgorithm;
  #hash: Hash;
  #done = 0;
  #stopped = false;

  constructor(algorithm: DigestAlgorithm) {
    this.algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** How many bytes are hashed. */
  get done(): number {
    return this.#done;
  }

  /** Adds bytes that follow what is hashed. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#done += bytes.length;
  }

  /** The digest of what is hashed so far. */
  digest(): string {
    return `${this.algorithm}:${this.#hash.copy().digest("hex")}`;
  }

  /** Whether {@linkcode stop} was called. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Starts anew. */
  reset(): void {
    this.#stopped = false;
    this.#hash = createHash(this.algorithm);
    this.#done = 0;
  }

  /** Makes {@linkcode catchUp} end early. */
  stop(): void {
    this.#stopped = true;
  }

  /** Hashes the file up to `target()`, which may grow meanwhile. */
  async catchUp(path: string, target: () => number): Promise<void> {
    using file = await Deno.open(path);
    await file.seek(this.#done, Deno.SeekMode.Start);
    const buffer = new Uint8Array(CHUNK);
    while (!this.#stopped && this.#done < target()) {
      const want = Math.min(CHUNK, target() - this.#done);
      const count = await file.read(buffer.subarray(0, want));
      if (count === null) {
        throw new Deno.errors.UnexpectedEof(
          `Cannot read "${path}": it is shorter than what was written to it`,
        );
      }
      this.update(buffer.subarray(0, count));
    }
  }
}
