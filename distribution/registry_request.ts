/**
 * One request to a registry, and its answer.
 *
 * @module
 */

import type { HostCapability } from "./registry_host.ts";

/** One request to a registry, as `RegistryClient.request()` takes it. */
export interface RegistryRequest {
  /** What is being done, for errors, as in `pull manifest "…"`. */
  readonly action: string;
  /**
   * The HTTP method.
   *
   * @default {"GET"}
   */
  readonly method?: string;
  /** The path below `/v2/`, or the URL a server named for what follows. */
  readonly path: string | URL;
  /**
   * What the servers have to be capable of.
   *
   * @default {"pull"}
   */
  readonly capability?: HostCapability;
  /** The repository, which chooses credentials. */
  readonly repository?: string;
  /** The rights it takes, such as `repository:app:pull`. */
  readonly scopes?: readonly string[];
  /** Headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * The body; it is sent again when the request is repeated. A stream is made anew each time. One of bytes, such as that
   * of a file, is moved by the runtime: how far it got is not known, so it has to end within the timeout.
   */
  readonly body?:
    | Uint8Array<ArrayBuffer>
    | (() => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>);
  /**
   * Statuses that are answers. All others throw.
   *
   * @default {[200]}
   */
  readonly expected?: readonly number[];
  /** Sends it without credentials, to wherever `path` leads: for layers that lie outside registries. */
  readonly anonymous?: boolean;
  /** Asks for a token that stands for the password, too, where tokens are given. */
  readonly offline?: boolean;
  /** Sends it once only. */
  readonly once?: boolean;
  /** Sends it to the server of this answer only. */
  readonly server?: RegistryAnswer;
  /** Passes over this many servers: how a broken download moves on to the next mirror. */
  readonly skip?: number;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** What a registry answered. The body has to be read or cancelled. */
export interface RegistryAnswer {
  /** The response. */
  readonly response: Response;
  /** The URL it came from, after redirects: relative ones refer to it. */
  readonly url: URL;
  /** Which of the registry's servers gave it, counted from 0. */
  readonly index: number;
  /** Ends the body, such as when it stands still. */
  abort(reason: unknown): void;
}
