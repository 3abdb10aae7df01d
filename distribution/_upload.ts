import { ChunkReader } from "./_chunks.ts";
import { UploadBody, type UploadSource } from "./_upload_body.ts";
import { delay } from "./_delay.ts";
import { patchUpload } from "./_patch_upload.ts";
import { backoff } from "./_retry.ts";
import type { Target } from "./_target.ts";
import { type Session, UploadApi } from "./_upload_api.ts";
import { isLost, isRecoverable, isTooLong } from "./_upload_errors.ts";
import { ProtocolError } from "./protocol_error.ts";
import { RegistryError } from "./registry_error.ts";
import type { TransferEvent } from "./transfer_event.ts";
import type { UploadState } from "./upload_state.ts";

/** Options of {@linkcode BlobUpload}. */
export interface UploadOptions {
  /** Sends in chunks; without it as a stream. */
  readonly chunkSize: number | undefined;
  readonly uploads?: UploadState | undefined;
  readonly onProgress?: ((event: TransferEvent) => void) | undefined;
  /** Repositories of the same registry that may have it. */
  readonly mountFrom?: readonly string[];
}

/** A blob up to this size goes in one request with its length, in bytes. */
const SMALL = 1024 * 1024;
/** The size of chunks for servers that take no streams, in bytes. */
const CHUNK_SIZE = 16 * 1024 * 1024;
/** A blob up to this size, in bytes, may be sent with nobody counting: it has to be through within the time that an answer may take, ten minutes by default. */
const DIRECT = 256 * 1024 * 1024;
/** Smaller ones are not tried, in bytes. */
const MIN_CHUNK = 256 * 1024;
/** Progress is told once in so many bytes. */
const STEP = 1024 * 1024;
/** Answers of servers, or proxies before them, that take no streams or none so long. */
const NO_STREAMS: readonly number[] = [400, 405, 411, 413, 415, 501];

/** Uploads one blob, unless the registry has it. */
export class BlobUpload {
  readonly #target: Target;
  readonly #source: UploadSource;
  readonly #options: UploadOptions;
  readonly #api: UploadApi;
  /** All that the server keeps until it is told, or for days. */
  readonly #begun: Session[] = [];
  #chunkSize: number | undefined;
  #mayBeDirect: boolean;

  constructor(target: Target, source: UploadSource, options: UploadOptions) {
    this.#target = target;
    this.#source = source;
    this.#options = options;
    this.#api = new UploadApi(target, source, options);
    this.#chunkSize = options.chunkSize;
    this.#mayBeDirect = options.onProgress === undefined &&
      source.descriptor.size <= DIRECT;
  }

  async run(): Promise<void> {
    await this.#run();
    await this.#api.forget();
  }

  async #run(): Promise<void> {
    const { descriptor } = this.#source;
    if (await this.#api.exists()) return this.#tell("exists", descriptor.size);
    let session = await this.#api.resume();
    if (session !== undefined) this.#tell("retry", session.offset);
    else {
      const started = await this.#start();
      if (started === "mounted") return this.#tell("mounted", descriptor.size);
      session = started;
    }
    this.#tell("start", session.offset);
    try {
      await this.#transfer(session);
    } catch (error) {
      if (this.#options.uploads === undefined) {
        await Promise.all(this.#begun.map((one) => this.#api.cancel(one)));
      }
      throw error;
    }
    this.#tell("done", descriptor.size);
  }

  async #start(): Promise<Session | "mounted"> {
    const started = await this.#api.start();
    if (started !== "mounted") this.#begun.push(started);
    return started;
  }

  #tell(type: TransferEvent["type"], offset: number): void {
    const { descriptor } = this.#source;
    this.#options.onProgress?.({ type, descriptor, offset });
  }

  async #transfer(first: Session): Promise<void> {
    const { size } = this.#source.descriptor;
    if (size <= (this.#chunkSize ?? SMALL) && first.offset === 0) {
      return await this.#sendWhole(first);
    }
    let session = first;
    for (let restarts = 0;; restarts++) {
      const next = this.#chunkSize === undefined && session.minimum === 0
        ? await this.#sendStream(session)
        : await this.#sendChunks(session);
      let lost: unknown;
      if (next.offset === size) {
        try {
          return await this.#api.finish(next);
        } catch (error) {
          if (!isLost(error)) throw error;
          lost = error;
        }
      } else if (next.offset > 0) {
        session = next;
        continue;
      }
      // The server lost the upload: it is begun anew, but not for ever.
      if (restarts >= this.#target.client.retry.attempts) {
        throw lost ?? this.#fail("the registry keeps losing the upload");
      }
      const again = await this.#start();
      if (again === "mounted") return;
      session = again;
      this.#tell("retry", 0);
    }
  }

  /** Sends all in one request, as often as it breaks: each time to a new upload, as a server may append to what it took of the last. */
  async #sendWhole(first: Session): Promise<void> {
    const { client, signal } = this.#target;
    await using chunks = await this.#open(0);
    const body = await chunks.read(this.#source.descriptor.size + 1);
    let session = first;
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#api.finish(session, body);
      } catch (error) {
        signal?.throwIfAborted();
        if (
          !(isLost(error) || isRecoverable(error)) ||
          attempt >= client.retry.attempts
        ) throw error;
      }
      await delay(backoff(client.retry, attempt), signal);
      // The answer alone may have been lost.
      if (await this.#api.exists()) return;
      const again = await this.#start();
      if (again === "mounted") return;
      session = again;
      this.#tell("retry", 0);
    }
  }

  async #open(offset: number): Promise<ChunkReader> {
    const { signal } = this.#target;
    const chunks = new ChunkReader(
      await this.#source.open(signal === undefined ? {} : { signal }),
    );
    await chunks.skip(offset);
    return chunks;
  }

  /** Sends the rest as one stream, as often as it breaks; gives a session with less than the whole when the server lost it, or takes no streams. */
  async #sendStream(session: Session): Promise<Session> {
    const { size } = this.#source.descriptor;
    const { retry } = this.#target.client;
    for (let attempt = 1;; attempt++) {
      const { offset } = session;
      const direct = this.#mayBeDirect && offset === 0;
      // Whatever goes wrong with it, the next attempt counts and tells whose fault it is.
      this.#mayBeDirect = false;
      const body = new UploadBody(this.#source, {
        offset,
        direct,
        signal: this.#target.signal,
        onProgress: (at) => this.#tell("progress", at),
      });
      try {
        session = await patchUpload(this.#api, session, {
          body: () => body.open(),
          end: size,
          range: offset > 0,
        });
      } catch (error) {
        this.#target.signal?.throwIfAborted();
        if (body.error !== undefined) throw body.error;
        const isRefused = error instanceof RegistryError &&
          NO_STREAMS.includes(error.status);
        if (isRefused) this.#chunkSize = CHUNK_SIZE;
        else if (!isRecoverable(error) || attempt >= retry.attempts) {
          throw error;
        }
        await delay(backoff(retry, attempt), this.#target.signal);
        const found = await this.#api.status(session);
        if (found === undefined || isRefused) {
          return found ?? { ...session, offset: 0 };
        }
        session = found;
        this.#tell("retry", session.offset);
      }
      if (session.offset === size) return session;
      if (direct && session.offset > size) {
        await this.#api.cancel(session);
        return { ...session, offset: 0 };
      }
      if (session.offset < offset || session.offset > size) {
        throw this.#strange(session, { start: offset, end: size });
      }
      // Some of it arrived: that is no failed attempt.
      if (session.offset - offset >= STEP) attempt = 1;
      else if (attempt >= retry.attempts) throw this.#stuck(session);
    }
  }

  #fail(why: string): ProtocolError {
    return new ProtocolError(this.#api.action, {
      host: this.#target.registry,
      why,
    });
  }

  #strange(
    { offset }: Session,
    { start, end }: { start: number; end: number },
  ): ProtocolError {
    return this.#fail(
      `the registry has ${offset} bytes where ${start} to ${end} were sent`,
    );
  }

  #stuck({ offset }: Session): ProtocolError {
    return this.#fail(`the registry takes no more than ${offset} bytes`);
  }

  /** Sends chunk by chunk; gives a session with less than the whole when the server lost it. */
  async #sendChunks(session: Session): Promise<Session> {
    const { size } = this.#source.descriptor;
    await using chunks = await this.#open(session.offset);
    const lengthOf = ({ minimum }: Session) =>
      Math.max(this.#chunkSize ?? CHUNK_SIZE, minimum);
    let next = chunks.read(lengthOf(session));
    while (session.offset < size) {
      const chunk = await next;
      if (chunk.length === 0) {
        throw new TypeError(
          `Cannot ${this.#api.action}: its source ends at byte ${session.offset} of ${size}`,
        );
      }
      // Read ahead while this one is on its way.
      next = chunks.read(lengthOf(session));
      next.catch(() => {});
      let sent: Session | undefined;
      try {
        sent = await this.#sendChunk(session, chunk);
      } catch (error) {
        if (!this.#shrink(error, chunk.length, session)) throw error;
        return await this.#api.status(session) ?? { ...session, offset: 0 };
      }
      if (sent === undefined) return { ...session, offset: 0 };
      session = sent;
      this.#tell("progress", session.offset);
    }
    return session;
  }

  /** Makes chunks smaller where a proxy takes none so large. */
  #shrink(
    error: unknown,
    length: number,
    { minimum }: Session,
  ): boolean {
    if (!isTooLong(error) || length <= Math.max(MIN_CHUNK, minimum)) {
      return false;
    }
    this.#chunkSize = Math.max(MIN_CHUNK, Math.floor(length / 4));
    return true;
  }

  /** Sends one chunk, as much of it as the server has not got, until it has all. */
  async #sendChunk(
    session: Session,
    chunk: Uint8Array<ArrayBuffer>,
  ): Promise<Session | undefined> {
    const start = session.offset;
    const end = start + chunk.length;
    const { retry } = this.#target.client;
    for (let attempt = 1;; attempt++) {
      try {
        session = await patchUpload(this.#api, session, {
          body: chunk.subarray(session.offset - start),
          end,
          range: true,
        });
        if (session.offset === end) return session;
      } catch (error) {
        this.#target.signal?.throwIfAborted();
        if (!isRecoverable(error) || attempt >= retry.attempts) throw error;
        await delay(backoff(retry, attempt), this.#target.signal);
        // What arrived of the chunk only the server knows; some append whatever comes, so guessing would corrupt it.
        const found = await this.#api.status(session);
        if (found === undefined) return undefined;
        session = found;
        this.#tell("retry", session.offset);
        if (session.offset === end) return session;
      }
      if (session.offset < start || session.offset > end) {
        throw this.#strange(session, { start, end });
      }
      if (attempt >= retry.attempts) throw this.#stuck(session);
    }
  }
}
