/** Where bytes go, such as `Deno.stdout`. */
export interface Output {
  writeSync(bytes: Uint8Array): number;
}

/** Pieces of output that are written together. Disposing writes what is left. */
export interface Batch extends Disposable {
  /** Adds a piece; pieces for one output and another keep their order. */
  write(to: Output, piece: Uint8Array): void;
}

/** So many bytes are written at once, as pipes take them. */
const SIZE = 1 << 16;

function writeAll(to: Output, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += to.writeSync(bytes.subarray(done));
  }
}

/**
 * Gathers pieces of output. They are written when there are enough of them, and as soon as the program waits for more.
 *
 * @param onError Gets what a write fails with while the program waits.
 */
export function batchOutput(onError: (error: unknown) => void): Batch {
  const bytes = new Uint8Array(SIZE);
  let size = 0;
  let target: Output | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    const batch = bytes.subarray(0, size);
    size = 0;
    if (target !== undefined) writeAll(target, batch);
  };
  const flushLater = () => {
    try {
      flush();
    } catch (error) {
      onError(error);
    }
  };
  return {
    write(to, piece) {
      if (to !== target || size + piece.length > SIZE) flush();
      target = to;
      if (piece.length > SIZE) return writeAll(to, piece);
      bytes.set(piece, size);
      size += piece.length;
      timer ??= setTimeout(flushLater, 0);
    },
    [Symbol.dispose]: flush,
  };
}
