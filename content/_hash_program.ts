/** What to do next about one of the files. */
export interface HashRequest {
  readonly id: number;
  /** Opens the file. */
  readonly open?: { readonly path: string; readonly algorithm: string };
  /** Hashes so far. */
  readonly written?: number;
  /** Answers with the digest of that much. */
  readonly wantsDigest?: boolean;
  /** Forgets the file. */
  readonly isDone?: boolean;
}

/** What went wrong; an error loses its class on the way between threads. */
export interface HashFailure {
  readonly name: string;
  readonly message: string;
}

/** The digest in hex, or what went wrong. */
export interface HashAnswer {
  readonly id: number;
  readonly hex?: string;
  readonly error?: HashFailure;
}

/** What the program needs of its surroundings. */
export interface HashSurroundings {
  readonly createHash: typeof import("node:crypto").createHash;
  readonly port: {
    on(event: "message", listener: (request: HashRequest) => void): void;
    postMessage(answer: HashAnswer): void;
  };
}

/**
 * Hashes files from their beginnings as far as it is told: the whole program of a thread.
 *
 * It is handed over as text, since a thread cannot be started from the URL of a registry. So it names nothing from
 * outside of itself.
 */
export function hashProgram({ createHash, port }: HashSurroundings): void {
  const buffer = new Uint8Array(1024 * 1024);
  const files = new Map<number, ReturnType<typeof open>>();

  function open({ path, algorithm }: { path: string; algorithm: string }) {
    return { file: Deno.openSync(path), hash: createHash(algorithm), done: 0 };
  }

  function advance(
    state: ReturnType<typeof open>,
    written: number,
  ): void {
    while (state.done < written) {
      const size = Math.min(buffer.length, written - state.done);
      const count = state.file.readSync(buffer.subarray(0, size));
      if (count === null) {
        throw new Deno.errors.UnexpectedEof(
          "it is shorter than what was written to it",
        );
      }
      state.hash.update(buffer.subarray(0, count));
      state.done += count;
    }
  }

  port.on("message", (request) => {
    const { id, written, wantsDigest, isDone } = request;
    try {
      if (request.open !== undefined) files.set(id, open(request.open));
      const state = files.get(id);
      // It failed before, and that was said.
      if (state === undefined) return;
      if (written !== undefined) advance(state, written);
      if (wantsDigest) {
        port.postMessage({ id, hex: state.hash.copy().digest("hex") });
      }
      if (!isDone) return;
    } catch (error) {
      const { name, message } = error as Error;
      port.postMessage({ id, error: { name, message } });
    }
    files.get(id)?.file.close();
    files.delete(id);
  });
}
