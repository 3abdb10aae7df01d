import type { Descriptor } from "@containerkit/oci";
import { download, type DownloadOptions, readPart } from "./_download.ts";
import type { Semaphore } from "./_semaphore.ts";
import type { Target } from "./_target.ts";

/** Parts that are fetched ahead are this long, in bytes, and wait in memory until it is their turn. */
const PIECE = 4 * 1024 * 1024;
/** So many of them at most, for one blob. */
const MAX_AHEAD = 4;
/** Without a free place a blob is fetched in parts this long, and then looks for one again, in bytes. */
const SEGMENT = 64 * 1024 * 1024;

/** Options of {@linkcode downloadAhead}. */
export interface DownloadAheadOptions
  extends Omit<DownloadOptions, "end" | "reuse"> {
  /** Places that other blobs do not need now: each is one more connection for this one. */
  readonly places: Semaphore;
  /** For tests, instead of the sizes above. */
  readonly piece?: number;
}

interface Ahead {
  readonly end: number;
  readonly bytes: Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Reads a blob as `download()` does; while places are free and the server has ranges, the parts that follow are
 * fetched at the same time, into a bounded window, and given in order. Each chunk may be overwritten by the next one.
 */
export async function* downloadAhead(
  target: Target,
  descriptor: Descriptor,
  options: DownloadAheadOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { places, piece = PIECE, take, ...rest } = options;
  const { size } = descriptor;
  const controller = new AbortController();
  const during: Target = {
    ...target,
    signal: target.signal === undefined
      ? controller.signal
      : AbortSignal.any([target.signal, controller.signal]),
  };
  const ahead: Ahead[] = [];
  let { offset = 0 } = options;
  let next = offset;
  let hasRanges = false;
  /** Used again and again: garbage of this size stays for long. */
  const spare: ArrayBuffer[] = [];
  const fetchPiece = async (start: number, end: number, place: Disposable) => {
    using _place = place;
    return await readPart(during, descriptor, {
      ...rest,
      offset: start,
      end,
      buffer: spare.pop() ?? new ArrayBuffer(piece),
    });
  };
  const topUp = () => {
    while (hasRanges && ahead.length < MAX_AHEAD && next < size) {
      const place = places.tryAcquire();
      if (place === undefined) return;
      const end = Math.min(size, next + piece);
      const bytes = fetchPiece(next, end, place);
      // Whoever takes it gets the error.
      bytes.catch(() => {});
      ahead.push({ end, bytes });
      next = end;
    }
  };
  try {
    while (offset < size) {
      const ready = ahead.shift();
      if (ready !== undefined) {
        const bytes = await ready.bytes;
        yield bytes;
        spare.push(bytes.buffer);
        offset = ready.end;
        topUp();
        continue;
      }
      const isAlone = places.free === 0 || size - offset < 2 * piece;
      let end = Math.min(size, offset + (isAlone ? SEGMENT : piece));
      next = end;
      for await (
        const chunk of download(target, descriptor, {
          ...rest,
          offset,
          end,
          reuse: true,
          // With places free, parts of it are fetched beside, and wait here.
          take: isAlone ? take : undefined,
          // What comes unasked is taken, as long as nothing of it is fetched beside.
          onAnswer: (isPart) => {
            hasRanges ||= isPart;
            const isAll = !isPart && !hasRanges;
            if (isAll) end = size;
            return isAll;
          },
        })
      ) {
        yield chunk;
        topUp();
      }
      offset = end;
    }
  } finally {
    controller.abort();
    await Promise.allSettled(ahead.map(({ bytes }) => bytes));
  }
}
