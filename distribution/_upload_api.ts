import { refuseTarget } from "./_address.ts";
import type { UploadSource } from "./_upload_body.ts";
import { mayPass } from "./_retry.ts";
import { requestFor, type Target } from "./_target.ts";
import { isMute } from "./_to_registry_error.ts";
import { NetworkError } from "./network_error.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { RegistryAnswer, RegistryRequest } from "./registry_request.ts";
import { RegistryError } from "./registry_error.ts";
import type { UploadState } from "./upload_state.ts";

/** The largest chunk a server may insist on, in bytes: each one is held in memory. */
const MAX_CHUNK = 1024 * 1024 * 1024;
/** How long the cancelling of an upload may take, in milliseconds. */
const CANCEL_MS = 5000;

/** An upload that the server has begun. */
export interface Session {
  readonly server: RegistryAnswer;
  readonly location: URL;
  readonly offset: number;
  readonly minimum: number;
}

async function readLocation(
  answer: RegistryAnswer,
  digest: string,
): Promise<URL> {
  const text = answer.response.headers.get("location");
  const url = text === null ? null : URL.parse(text, answer.url);
  const why = url === null
    ? "it names no location"
    : await refuseTarget(answer.url, url);
  if (why !== undefined) {
    throw new ProtocolError(`push blob "${digest}"`, {
      host: answer.url.host,
      why: `${answer.url.host} gives no place for it: ${why}`,
    });
  }
  return url!;
}

/** The bytes a server has: `0-0` of a fresh session means none. */
export function readOffset(headers: Headers): number | undefined {
  const last = /^(?:bytes[ =])?0-(\d+)$/.exec(headers.get("range") ?? "")?.[1];
  return last === undefined ? undefined : Number(last) + 1;
}

/** Whether nothing has this name. A name server that only rests says so. */
function isUnknownHost(error: unknown): boolean {
  return error instanceof NetworkError &&
    /: dns error: (?!.*temporary)/i.test(error.message);
}

/** The requests that uploading one blob is made of. */
export class UploadApi {
  /** What is being done, for errors. */
  readonly action: string;
  readonly #target: Target;
  readonly #source: UploadSource;
  readonly #options: {
    readonly uploads?: UploadState | undefined;
    readonly mountFrom?: readonly string[];
  };
  readonly #key: string;

  constructor(
    target: Target,
    source: UploadSource,
    options: {
      readonly uploads?: UploadState | undefined;
      readonly mountFrom?: readonly string[];
    },
  ) {
    const { digest } = source.descriptor;
    this.#target = target;
    this.#source = source;
    this.#options = options;
    this.action = `push blob "${digest}"`;
    this.#key = `${target.registry}/${target.repository}@${digest}`;
  }

  request(
    request: Partial<RegistryRequest> & Pick<RegistryRequest, "path">,
  ): Promise<RegistryAnswer> {
    return this.#target.client.request(this.#target.registry, {
      ...requestFor(this.#target, "", "pull,push"),
      action: this.action,
      capability: "push",
      ...request,
    });
  }

  async exists(): Promise<boolean> {
    const { digest, size } = this.#source.descriptor;
    const path = `${this.#target.repository}/blobs/${digest}`;
    let answer: RegistryAnswer;
    try {
      answer = await this.request({
        path,
        method: "HEAD",
        expected: [200, 404],
      });
    } catch (error) {
      if (!isMute(error)) throw error;
      answer = await this.request({
        path,
        headers: { range: "bytes=0-0" },
        expected: [200, 206, 404, 416],
      });
      await answer.response.body?.cancel();
      return answer.response.status !== 404;
    }
    const { status, headers } = answer.response;
    // What is of another size is no such blob: proxies with a page of their own have one for any path. Some say 0 of everything.
    const stated = Number(headers.get("content-length") ?? 0);
    return status !== 404 && (stated === 0 || stated === size);
  }

  /** Begins an upload, or has the registry take the blob from another repository. */
  async start(): Promise<Session | "mounted"> {
    const { digest } = this.#source.descriptor;
    const { repository } = this.#target;
    const path = `${repository}/blobs/uploads/`;
    const own = `repository:${repository}:pull,push`;
    let session: Session | undefined;
    for (const from of this.#options.mountFrom ?? []) {
      const query = new URLSearchParams({ mount: digest, from });
      let answer: RegistryAnswer;
      try {
        answer = await this.request({
          path: `${path}?${query}`,
          method: "POST",
          scopes: [own, `repository:${from}:pull`],
          headers: { "content-length": "0" },
          expected: [201, 202],
        });
      } catch (error) {
        // Who may not take it from there, by the registry or by its token server, can still send it.
        if (!(error instanceof RegistryError) || mayPass(error)) throw error;
        continue;
      }
      await answer.response.body?.cancel();
      // Where it is not there either, the registry began another upload.
      if (session !== undefined) await this.cancel(session);
      if (answer.response.status === 201) return "mounted";
      session = await this.keep(answer, { offset: 0, minimum: 0 });
    }
    if (session !== undefined) return session;
    const algorithm = digest.slice(0, digest.indexOf(":"));
    const answer = await this.request({
      path: algorithm === "sha256"
        ? path
        : `${path}?digest-algorithm=${algorithm}`,
      method: "POST",
      headers: { "content-length": "0" },
      expected: [202],
    });
    await answer.response.body?.cancel();
    return await this.keep(answer, { offset: 0, minimum: 0 });
  }

  /** Notes where the upload goes on. */
  async keep(
    answer: RegistryAnswer,
    { offset, minimum }: { offset: number; minimum: number },
  ): Promise<Session> {
    const { headers } = answer.response;
    const location = headers.has("location")
      ? await readLocation(answer, this.#source.descriptor.digest)
      : answer.url;
    await this.#options.uploads?.set(this.#key, location.href);
    const stated = Number(headers.get("oci-chunk-min-length") ?? 0) || 0;
    if (stated > MAX_CHUNK) {
      throw new RangeError(
        `Cannot ${this.action}: the registry wants chunks of ${stated} bytes, which is too much to hold`,
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
  async resume(): Promise<Session | undefined> {
    const kept = await this.#options.uploads?.get(this.#key);
    const location = kept === undefined ? null : URL.parse(kept);
    if (location === null) return undefined;
    try {
      return await this.status({ location });
    } catch (error) {
      this.#target.signal?.throwIfAborted();
      // A server that only rests goes on with it later: this one stays kept.
      if (mayPass(error) && !isUnknownHost(error)) throw error;
      return undefined;
    }
  }

  /** Asks how far an upload is; `undefined` if the server knows it no longer. */
  async status(
    of: { location: URL; server?: RegistryAnswer; minimum?: number },
  ): Promise<Session | undefined> {
    let answer: RegistryAnswer;
    try {
      answer = await this.request({
        path: of.location,
        expected: [200, 204],
        ...(of.server === undefined ? {} : { server: of.server }),
      });
    } catch (error) {
      if (!(error instanceof RegistryError) || mayPass(error)) throw error;
      return undefined;
    }
    await answer.response.body?.cancel();
    const offset = readOffset(answer.response.headers) ?? 0;
    // `0-0` may be one byte or none: a session with one byte only is not worth telling apart.
    if (offset <= 1 || offset > this.#source.descriptor.size) return undefined;
    return await this.keep(answer, { offset, minimum: of.minimum ?? 0 });
  }

  async finish(
    session: Session,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { digest, size } = this.#source.descriptor;
    if (body !== undefined && body.length !== size) {
      throw new TypeError(
        `Cannot ${this.action}: its source has ${
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
      const { response } = await this.request({
        path: url,
        server: session.server,
        method: "PUT",
        headers: body === undefined
          ? { "content-length": "0" }
          : { "content-type": "application/octet-stream" },
        // What arrived of a body only the server knows: it is not for the same upload again.
        ...(body === undefined ? {} : { body, once: true }),
        expected: [201, 204],
      });
      await response.body?.cancel();
    } catch (error) {
      // The answer to the first attempt may have been lost.
      const isGone = error instanceof RegistryError &&
        [404, 416].includes(error.status);
      if (!isGone || !await this.exists()) throw error;
    }
  }

  /** Forgets where the upload goes on: it is done. */
  async forget(): Promise<void> {
    await this.#options.uploads?.delete(this.#key);
  }

  /** Lets the server throw away what it has; it would do so itself, later. */
  async cancel(session: Session): Promise<void> {
    try {
      const { response } = await this.request({
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
