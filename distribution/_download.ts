import type { Descriptor } from "@containerkit/oci";
import { ByteError, WrongPartError } from "./_byte_error.ts";
import { checkRange } from "./_ranges.ts";
import { backoff } from "./_retry.ts";
import { delay } from "./_delay.ts";
import { readChunks } from "./_read_chunks.ts";
import { isTakeable, type ReadFrom, takeBody } from "./_take_body.ts";
import { requestBlob } from "./_request_blob.ts";
import type { Target } from "./_target.ts";
import { NetworkError } from "./network_error.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { RegistryAnswer } from "./registry_request.ts";

/** From here on, in bytes, it is worth the while to have a body taken whole. */
const LONG = 4 * 1024 * 1024;
/** A broken transfer that got this much further has not failed: its attempts count anew. */
const PROGRESS = 1024 * 1024;

/** Who takes bodies whole. */
export interface Take {
  readonly readFrom: ReadFrom;
  /** Told how far the blob is. */
  readonly onProgress: (offset: number) => void;
}

/** Options of {@linkcode download}. */
export interface DownloadOptions {
  /** The first byte that is wanted. */
  readonly offset?: number;
  /** The byte after the last one. */
  readonly end?: number;
  /** How many hosts to pass over. */
  readonly skip?: number;
  /** Lets each chunk overwrite the one before it, for whoever is done with it by then. */
  readonly reuse?: boolean;
  /** Told of each answer whether it is the part that was asked for, or all; with `true` all of it is taken. */
  readonly onAnswer?: (isPart: boolean) => boolean;
  /** Takes long bodies that are wanted whole, of which nothing is given then. */
  readonly take?: Take | undefined;
  /** Told when the transfer broke off and goes on at an offset. */
  readonly onRetry?: () => void;
}

/**
 * Reads the bytes of a blob, as often as the connection breaks and from as many mirrors as there are. Nothing is
 * read twice, and not a byte more than was asked for is passed on. The digest is for the caller to check.
 */
export async function* download(
  target: Target,
  descriptor: Descriptor,
  options: DownloadOptions = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { onAnswer, onRetry, take, reuse = false } = options;
  let { offset = 0, end = descriptor.size, skip = 0 } = options;
  const { client, signal } = target;
  let attempt = 1;
  let mark = offset;
  while (offset < end) {
    try {
      const answer = await requestBlob(target, descriptor, {
        start: offset,
        end,
        skip,
      });
      if (onAnswer?.(answer.response.status === 206)) end = descriptor.size;
      const want = { start: offset, end, total: descriptor.size };
      const at = await checkStart(answer, want);
      if (
        take !== undefined && at === offset && end - offset >= LONG &&
        isTakeable(answer, end - offset)
      ) {
        await takeBody(answer, {
          readFrom: take.readFrom,
          start: offset,
          onProgress(now) {
            offset = now;
            take.onProgress(now);
          },
          stallTimeout: client.stallTimeout,
          signal,
        });
      } else {
        for await (
          const chunk of trim(answer, { at, ...want }, { descriptor, target })
        ) {
          offset += chunk.length;
          yield reuse ? chunk : chunk.slice();
        }
      }
      if (offset < end) throw new ByteError("it ended too early");
    } catch (cause) {
      signal?.throwIfAborted();
      if (!(cause instanceof ByteError)) throw cause;
      if (offset - mark >= PROGRESS) attempt = 1;
      mark = offset;
      if (attempt >= client.retry.attempts) {
        const Kind = cause instanceof WrongPartError
          ? ProtocolError
          : NetworkError;
        throw new Kind(`pull blob "${descriptor.digest}"`, {
          host: target.registry,
          why: `${cause.message} at byte ${offset} of ${descriptor.size}`,
        }, { cause });
      }
      onRetry?.();
      skip++;
      await delay(backoff(client.retry, attempt++), signal);
    }
  }
}

/** Reads a blob, or a part of it, into memory: into the beginning of a buffer, if one is given. */
export async function readPart(
  target: Target,
  descriptor: Descriptor,
  { buffer, ...options }: DownloadOptions & { buffer?: ArrayBuffer },
): Promise<Uint8Array<ArrayBuffer>> {
  const { offset = 0, end = descriptor.size } = options;
  const bytes = new Uint8Array(
    buffer ?? new ArrayBuffer(end - offset),
    0,
    end - offset,
  );
  let at = 0;
  for await (
    const chunk of download(target, descriptor, { ...options, reuse: true })
  ) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Checks that an answer holds what is wanted; gives the offset of its first byte. */
async function checkStart(
  answer: RegistryAnswer,
  want: { start: number; end: number; total: number },
): Promise<number> {
  try {
    return checkRange(answer.response, want);
  } catch (error) {
    await answer.response.body?.cancel();
    throw error;
  }
}

/** The wanted part of an answer's body, which begins at some offset. */
async function* trim(
  answer: RegistryAnswer,
  { at, start, end }: { at: number; start: number; end: number },
  { descriptor, target }: { descriptor: Descriptor; target: Target },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (
    const chunk of readChunks(answer, {
      stallTimeout: target.client.stallTimeout,
      signal: target.signal,
    })
  ) {
    const from = Math.max(0, start - at);
    const to = Math.min(chunk.length, end - at);
    at += chunk.length;
    if (from < to) yield chunk.subarray(from, to);
    if (at > descriptor.size) {
      throw new ProtocolError(`pull blob "${descriptor.digest}"`, {
        host: answer.url.host,
        why: `the server sends more than its ${descriptor.size} bytes`,
      });
    }
    if (at >= end && end < descriptor.size) return;
  }
}
