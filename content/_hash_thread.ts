import { Worker } from "node:worker_threads";
import {
  type HashAnswer,
  hashProgram,
  type HashRequest,
} from "./_hash_program.ts";

const PROGRAM = `
  const { parentPort: port } = require("node:worker_threads");
  const { createHash } = require("node:crypto");
  (${hashProgram})({ createHash, port });
`;

/** A thread that hashes files, and ends with the last of them. */
export class HashThread {
  readonly #worker = new Worker(PROGRAM, { eval: true });
  readonly #answers = new Map<number, (answer: HashAnswer) => void>();
  readonly #onEnd: () => void;
  #waiting = 0;

  /** @param onEnd Called when it takes no more files. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
    // A writer that is forgotten must not keep the program from ending.
    this.#worker.unref();
    this.#worker.on("message", (answer: HashAnswer) => {
      this.#answers.get(answer.id)?.(answer);
    });
    this.#worker.on("error", (error) => {
      onEnd();
      for (const [id, answer] of this.#answers) answer({ id, error });
    });
  }

  /** How many files it has. */
  get load(): number {
    return this.#answers.size;
  }

  /** Takes a file whose answers go to `onAnswer`. */
  add(id: number, onAnswer: (answer: HashAnswer) => void): void {
    this.#answers.set(id, onAnswer);
  }

  /** Tells it what to do next. */
  post(request: HashRequest): void {
    this.#worker.postMessage(request);
  }

  /** Keeps the program from ending until it has answered. */
  async hold<T>(answer: Promise<T>): Promise<T> {
    if (this.#waiting++ === 0) this.#worker.ref();
    try {
      return await answer;
    } finally {
      if (--this.#waiting === 0) this.#worker.unref();
    }
  }

  /** Forgets a file. */
  remove(id: number): void {
    this.#answers.delete(id);
    if (this.#answers.size > 0) {
      this.post({ id, isDone: true });
      return;
    }
    this.#onEnd();
    void this.#worker.terminate();
  }
}
