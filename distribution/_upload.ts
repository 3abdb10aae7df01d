import { refuseTarget } from "./_address.ts";
import { ChunkReader } from "./_chunks.ts";
import { UploadBody, type UploadSource } from "./_upload_body.ts";
import { delay } from "./_delay.ts";
import { backoff, isRetriable } from "./_retry.ts";
import { requestFor, type Target } from "./_target.ts";
import type { RegistryAnswer, RegistryRequest } from "./registry_request.ts";
import { RegistryError } from "./registry_error.ts";
import type { TransferEvent } from "./transfer_event.ts";
import type { UploadState } from "./upload_state.ts";

/** Options of {@linkcode uploadBlob}. */
export interface UploadOptions {
  /** Sends in chunks; without it as a stream. */
  readonly chunkSize: number | undefined;
  readonly uploads?: UploadState | undefined;
  readonly onProgress?: ((event: TransferEvent) => void) | undefined;
  /** Repositories of the same registry that may have it. */
  readonly mountFrom?: readonly string[];
}

/** The largest chunk a server may insist on, in bytes: each one is held in memory. */
const MAX_CHUNK = 1024 * 1024 * 1024;
/** A blob up to this size goes in one request with its length, in bytes. */
const SMALL = 1024 * 1024;
/** The size of chunks for servers that take no streams, in bytes. */
const CHUNK_SIZE = 16 * 1024 * 1024;
/** Progress is told once in so many bytes. */
const STEP = 1024 * 1024;
/** Answers of servers, or proxies before them, that take no streams or none so long. */
const NO_STREAMS: readonly number[] = [400, 405, 411, 413, 415, 501];
/** How long the cancelling of an upload may take, in milliseconds. */
const CANCEL_MS = 5000;

/** An upload that the server has begun. */
interface Session {
  readonly server: RegistryAnswer;
  readonly location: URL;
  readonly offset: number;
  readonly minimum: number;
}

function readLocation(answer: RegistryAnswer, digest: string): URL {
  const text = answer.response.headers.get("location");
  const url = text === null ? null : URL.parse(text, answer.url);
  const why = url === null
    ? "it names no location"
    : refuseTarget(answer.url, url);
  if (why !== undefined) {
    throw new TypeError(
      `Cannot push blob "${digest}": ${answer.url.host} gives no place for it: ${why}`,
    );
  }
  return url!;
}

/** The bytes a server has: `0-0` of a fresh session means none. */
function readOffset(headers: Headers): number | undefined {
  const last = /^(?:bytes[ =])?0-(\d+)$/.exec(headers.get("range") ?? "")?.[1];
  return last === undefined ? undefined : Number(last) + 1;
}

/** Uploads one blob, unless the registry has it. */
export class BlobUpload {
  readonly #target: Target;
  readonly #source: UploadSource;
  readonly #options: UploadOptions;
  readonly #action: string;
  readonly #key: string;
  #chunkSize: number | undefined;

  constructor(target: Target, source: UploadSource, options: UploadOptions) {
    const { digest } = source.descriptor;
    this.#target = target;
    this.#source = source;
    this.#options = options;
    this.#action = `push blob "${digest}"`;
    this.#chunkSize = options.chunkSize;
    this.#key = `${target.registry}/${target.repository}@${digest}`;
  }

  async run(): Promise<void> {
    const { descriptor } = this.#source;
    if (await this.#exists()) return this.#tell("exists", descriptor.size);
    let session = await this.#resume();
    if (session === undefined) {
      const started = await this.#start();
      if (started === "mounted") return this.#tell("mounted", descriptor.size);
      session = started;
    }
    this.#tell("start", session.offset);
    try {
      await this.#transfer(session);
    } catch (error) {
      if (this.#options.uploads === undefined) await this.#cancel(session);
      throw error;
    }
    await this.#options.uploads?.delete(this.#key);
    this.#tell("done", descriptor.size);
  }

  #tell(type: TransferEvent["type"], offset: number): void {
    const { descriptor } = this.#source;
    this.#options.onProgress?.({ type, descriptor, offset });
  }

  #request(
    request: Partial<RegistryRequest> & Pick<RegistryRequest, "path">,
  ): Promise<RegistryAnswer> {
    return this.#target.client.request(this.#target.registry, {
      ...requestFor(this.#target, "", "pull,push"),
      action: this.#action,
      capability: "push",
      ...request,
    });
  }

  async #exists(): Promise<boolean> {
    const { digest } = this.#source.descriptor;
    const { response } = await this.#request({
      path: `${this.#target.repository}/blobs/${digest}`,
      method: "HEAD",
      expected: [200, 404],
    });
    return response.status === 200;
  }

  /** Begins an upload, or has the registry take the blob from another repository. */
  async #start(): Promise<Session | "mounted"> {
    const { digest } = this.#source.descriptor;
    const { repository } = this.#target;
    const path = `${repository}/blobs/uploads/`;
    const own = `repository:${repository}:pull,push`;
    for (const from of this.#options.mountFrom ?? []) {
      const query = new URLSearchParams({ mount: digest, from });
      const answer = await this.#request({
        path: `${path}?${query}`,
        method: "POST",
        scopes: [own, `repository:${from}:pull`],
        headers: { "content-length": "0" },
        expected: [201, 202, 400, 401, 403, 404, 405],
      });
      await answer.response.body?.cancel();
      if (answer.response.status === 201) return "mounted";
      if (answer.response.status === 202) {
        return await this.#keep(answer, { offset: 0, minimum: 0 });
      }
    }
    const algorithm = digest.slice(0, digest.indexOf(":"));
    const answer = await this.#request({
      path: algorithm === "sha256"
        ? path
        : `${path}?digest-algorithm=${algorithm}`,
      method: "POST",
      headers: { "content-length": "0" },
      expected: [202],
    });
    await answer.response.body?.cancel();
    return await this.#keep(answer, { offset: 0, minimum: 0 });
  }

  /** Notes where the upload goes on. */
  async #keep(
    answer: RegistryAnswer,
    { offset, minimum }: { offset: number; minimum: number },
  ): Promise<Session> {
    const { headers } = answer.response;
    const location = headers.has("location")
      ? readLocation(answer, this.#source.descriptor.digest)
      : answer.url;
    await this.#options.uploads?.set(this.#key, location.href);
    const stated = Number(headers.get("oci-chunk-min-length") ?? 0) || 0;
    if (stated > MAX_CHUNK) {
      throw new RangeError(
        `Cannot ${this.#action}: the registry wants chunks of ${stated} bytes, which is too much to hold`,
      );
    }
    return {
      server: answer,
      location,
      offset,
      minimum: Math.max(minimum, stated),
    };
  }

  /** An upload that this or another process left unfinished. */
  async #resume(): Promise<Session | undefined> {
    const kept = await this.#options.uploads?.get(this.#key);
    const location = kept === undefined ? null : URL.parse(kept);
    if (location === null) return undefined;
    const session = await this.#status({ location });
    if (session !== undefined) this.#tell("retry", session.offset);
    return session;
  }

  /** Asks how far an upload is; `undefined` if the server knows it no longer. */
  async #status(
    of: { location: URL; server?: RegistryAnswer; minimum?: number },
  ): Promise<Session | undefined> {
    let answer: RegistryAnswer;
    try {
      answer = await this.#request({
        path: of.location,
        expected: [200, 204],
        ...(of.server === undefined ? {} : { server: of.server }),
      });
    } catch (error) {
      if (error instanceof RegistryError && error.status < 500) {
        return undefined;
      }
      throw error;
    }
    await answer.response.body?.cancel();
    const offset = readOffset(answer.response.headers) ?? 0;
    // `0-0` may be one byte or none: a session with one byte only is not worth telling apart.
    if (offset <= 1 || offset > this.#source.descriptor.size) return undefined;
    return await this.#keep(answer, { offset, minimum: of.minimum ?? 0 });
  }

  async #transfer(first: Session): Promise<void> {
    const { size } = this.#source.descriptor;
    if (size <= (this.#chunkSize ?? SMALL) && first.offset === 0) {
      await using chunks = await this.#open(0);
      return await this.#finish(first, await chunks.read(size + 1));
    }
    let session = first;
    for (let restarts = 0;; restarts++) {
      const next = this.#chunkSize === undefined && session.minimum === 0
        ? await this.#sendStream(session)
        : await this.#sendChunks(session);
      if (next.offset === size) return await this.#finish(next);
      if (next.offset > 0) {
        session = next;
        continue;
      }
      // The server lost the upload: it is begun anew, but not for ever.
      if (restarts >= this.#target.client.retry.attempts) {
        throw new TypeError(
          `Cannot ${this.#action}: the registry keeps losing the upload`,
        );
      }
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
      const body = new UploadBody(this.#source, {
        offset,
        signal: this.#target.signal,
        onProgress: (at) => this.#tell("progress", at),
      });
      try {
        const answer = await this.#request({
          path: session.location,
          server: session.server,
          method: "PATCH",
          once: true,
          headers: {
            "content-type": "application/octet-stream",
            ...(offset === 0
              ? {}
              : { "content-range": `${offset}-${size - 1}` }),
          },
          body: () => body.open(),
          expected: [201, 202, 204],
        });
        await answer.response.body?.cancel();
        session = await this.#keep(answer, {
          ...session,
          offset: readOffset(answer.response.headers) ?? size,
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
        const found = await this.#status(session);
        if (found === undefined || isRefused) {
          return found ?? { ...session, offset: 0 };
        }
        session = found;
        this.#tell("retry", session.offset);
      }
      if (session.offset === size) return session;
      if (session.offset < offset || session.offset > size) {
        throw this.#strange(session, { start: offset, end: size });
      }
      // Some of it arrived: that is no failed attempt.
      if (session.offset - offset >= STEP) attempt = 1;
      else if (attempt >= retry.attempts) throw this.#stuck(session);
    }
  }

  #strange(
    { offset }: Session,
    { start, end }: { start: number; end: number },
  ): TypeError {
    return new TypeError(
      `Cannot ${this.#action}: the registry has ${offset} bytes where ${start} to ${end} were sent`,
    );
  }

  #stuck({ offset }: Session): TypeError {
    return new TypeError(
      `Cannot ${this.#action}: the registry takes no more than ${offset} bytes`,
    );
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
          `Cannot ${this.#action}: its source ends at byte ${session.offset} of ${size}`,
        );
      }
      // Read ahead while this one is on its way.
      next = chunks.read(lengthOf(session));
      next.catch(() => {});
      const sent = await this.#sendChunk(session, chunk);
      if (sent === undefined) return { ...session, offset: 0 };
      session = sent;
      this.#tell("progress", session.offset);
    }
    return session;
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
        const answer = await this.#request({
          path: session.location,
          server: session.server,
          method: "PATCH",
          once: true,
          headers: {
            "content-type": "application/octet-stream",
            "content-range": `${session.offset}-${end - 1}`,
          },
          body: chunk.subarray(session.offset - start),
          expected: [201, 202, 204],
        });
        await answer.response.body?.cancel();
        const offset = readOffset(answer.response.headers) ?? end;
        session = await this.#keep(answer, { ...session, offset });
        if (offset === end) return session;
      } catch (error) {
        this.#target.signal?.throwIfAborted();
        if (!isRecoverable(error) || attempt >= retry.attempts) throw error;
        await delay(backoff(retry, attempt), this.#target.signal);
        // What arrived of the chunk only the server knows; some append whatever comes, so guessing would corrupt it.
        const found = await this.#status(session);
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

  async #finish(
    session: Session,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { digest, size } = this.#source.descriptor;
    if (body !== undefined && body.length !== size) {
      throw new TypeError(
        `Cannot ${this.#action}: its source has ${
          body.length > size ? "more" : body.length
        } bytes, not ${size}`,
      );
    }
    const url = new URL(session.location);
    // The query is the server's: it is kept as it is.
    url.search += `${url.search === "" ? "?" : "&"}digest=${
      encodeURIComponent(digest)
    }`;
    try {
      const { response } = await this.#request({
        path: url,
        server: session.server,
        method: "PUT",
        headers: body === undefined
          ? { "content-length": "0" }
          : { "content-type": "application/octet-stream" },
        ...(body === undefined ? {} : { body }),
        expected: [201, 204],
      });
      await response.body?.cancel();
    } catch (error) {
      // The answer to the first attempt may have been lost.
      const isGone = error instanceof RegistryError &&
        [404, 416].includes(error.status);
      if (!isGone || !await this.#exists()) throw error;
    }
  }

  /** Lets the server throw away what it has; it would do so itself, later. */
  async #cancel(session: Session): Promise<void> {
    try {
      const { response } = await this.#request({
        path: session.location,
        server: session.server,
        method: "DELETE",
        once: true,
        expected: [200, 202, 204],
        // The caller's own may be what ended it.
        signal: AbortSignal.timeout(CANCEL_MS),
      });
      await response.body?.cancel();
    } catch {
      // It is no part of the failure.
    }
  }
}

function isRecoverable(error: unknown): boolean {
  if (error instanceof RegistryError) {
    return isRetriable(error.status) || error.status === 416;
  }
  return error instanceof TypeError || error instanceof Deno.errors.TimedOut;
}
