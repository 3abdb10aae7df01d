import { abortable } from "@std/async/abortable";
import type {
  ContainerOutput,
  ContainerStatus,
  OutputOptions,
} from "./container_process.ts";

/** What is kept of each stream at most, in bytes, unless said otherwise. */
const LIMIT = 64 * 1024 * 1024;

type Stream = ReadableStream<Uint8Array<ArrayBuffer>>;

/** A stream to its end. */
async function readAll(
  stream: Stream | undefined,
  options: { limit: number; id: string; signal: AbortSignal },
): Promise<Uint8Array<ArrayBuffer>> {
  if (stream === undefined) return new Uint8Array();
  const { limit, id, signal } = options;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = stream.getReader();
  const stop = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return await new Blob(chunks).bytes();
      size += value.length;
      // Nothing is above NaN.
      if (!(size <= limit)) {
        throw new RangeError(
          `Cannot read the output of "${id}": it wrote more than ${limit} bytes`,
        );
      }
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    reader.releaseLock();
  }
}

/** Reads both streams of a process to their ends and waits for its own; whatever fails, neither is read on. */
export async function readOutput(
  id: string,
  from: {
    readonly stdout: Stream | undefined;
    readonly stderr: Stream | undefined;
    readonly status: Promise<ContainerStatus>;
  },
  { limit = LIMIT, signal }: OutputOptions = {},
): Promise<ContainerOutput> {
  const failed = new AbortController();
  const stop = signal === undefined
    ? failed.signal
    : AbortSignal.any([signal, failed.signal]);
  const options = { limit, id, signal: stop };
  try {
    const [stdout, stderr, status] = await Promise.all([
      readAll(from.stdout, options),
      readAll(from.stderr, options),
      abortable(from.status, stop),
    ]);
    return { ...status, stdout, stderr };
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}
