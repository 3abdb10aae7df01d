/**
 * What a client of registries is told.
 *
 * @module
 */

import type { CredentialSource } from "./credentials.ts";
import type { HostSource, HostTls } from "./registry_host.ts";

/** How failed requests are repeated. */
export interface RetryOptions {
  /**
   * How often a request is sent at most.
   *
   * @default {5}
   */
  readonly attempts?: number;
  /**
   * The first wait in milliseconds, doubled each time and jittered.
   *
   * @default {500}
   */
  readonly delay?: number;
  /**
   * The longest wait in milliseconds.
   *
   * @default {30000}
   */
  readonly maxDelay?: number;
  /**
   * How long one request may wait altogether, in milliseconds: a `Retry-After` beyond it fails at once.
   *
   * @default {300000}
   */
  readonly budget?: number;
}

/** Something a registry wants its users to know. */
export interface RegistryNotice {
  /** The server that said it. */
  readonly host: string;
  /** A warning in words, or how much of a rate limit is left. */
  readonly kind: "warning" | "rate-limit";
  /** What it said. */
  readonly text: string;
}

/** Options of `RegistryClient`. */
export interface RegistryClientOptions {
  /**
   * Finds credentials.
   *
   * @default {anonymous}
   */
  readonly credentials?: CredentialSource;
  /**
   * Finds mirrors and the settings of hosts.
   *
   * @default {the registry itself}
   */
  readonly hosts?: HostSource;
  /** Speaks plain http with every registry (`true`) or none (`false`). By default only with this machine's, and only when `tls` is not given. */
  readonly plainHttp?: boolean;
  /** How TLS is spoken with registries that `hosts` says nothing of. */
  readonly tls?: HostTls;
  /** Hosts that tokens may be fetched from although they look unsafe, such as `10.0.0.5:8443`. */
  readonly realms?: readonly string[];
  /** How failed requests are repeated. */
  readonly retry?: RetryOptions;
  /**
   * How long to wait for an answer, in milliseconds; ten times that for the end of an upload. `Infinity` is some weeks.
   *
   * @default {60000}
   */
  readonly timeout?: number;
  /**
   * How long a download may stand still, in milliseconds, before it is resumed by another request. `Infinity` is some weeks.
   *
   * @default {30000}
   */
  readonly stallTimeout?: number;
  /**
   * The `User-Agent`.
   *
   * @default {"containerkit"}
   */
  readonly userAgent?: string;
  /** Told once of each warning and of rate limits. */
  readonly onNotice?: (notice: RegistryNotice) => void;
}
