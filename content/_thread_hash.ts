import type { HashAnswer, HashFailure } from "./_hash_program.ts";
import { HashThread } from "./_hash_thread.ts";

/** One processor is left to whoever writes. */
const MOST = Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1));

const threads = new Set<HashThread>();
let lastId = 0;

/** The thread with the least to do, or another one as long as there are processors for it. */
function findThread(): HashThread {
  const [idlest] = [...threads].sort((a, b) => a.load - b.load);
  if (idlest !== undefined && threads.size >= MOST) return idlest;
  const thread: HashThread = new HashThread(() => threads.delete(thread));
  threads.add(thread);
  return thread;
}

/** The hash of a file that another thread reads while it is being written. */
export class ThreadHash implements Disposable {
  readonly #path: string;
  readonly #id = ++lastId;
  readonly #thread = findThread();
  #error: Error | undefined;
  #waiting: PromiseWithResolvers<string> | undefined;

  constructor(path: string, algorithm: string) {
    this.#path = path;
    this.#thread.add(this.#id, (answer) => this.#take(answer));
    this.#thread.post({ id: this.#id, open: { path, algorithm } });
  }

  #take({ hex, error }: HashAnswer): void {
    if (hex !== undefined) this.#waiting?.resolve(hex);
    if (error !== undefined) this.#fail(error);
  }

  #fail({ name, message }: HashFailure): void {
    const isDenos = Object.hasOwn(Deno.errors, name);
    const Kind = isDenos
      ? Deno.errors[name as keyof typeof Deno.errors]
      : Error;
    this.#error = new Kind(`Cannot hash "${this.#path}": ${message}`);
    this.#waiting?.reject(this.#error);
  }

  /** Says that the file is written so far. */
  advance(written: number): void {
    this.#thread.post({ id: this.#id, written });
  }

  /** The digest of the first bytes of the file, in hex; one call at a time. */
  async digest(written: number): Promise<string> {
    if (this.#error !== undefined) throw this.#error;
    this.#waiting = Promise.withResolvers();
    this.#thread.post({ id: this.#id, written, wantsDigest: true });
    return await this.#thread.hold(this.#waiting.promise);
  }

  [Symbol.dispose](): void {
    this.#fail({ name: "BadResource", message: "it was given up" });
    this.#thread.remove(this.#id);
  }
}
