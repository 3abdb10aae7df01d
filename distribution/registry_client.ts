/**
 * Requests to registries: authenticated, repeated where that helps, and safe.
 *
 * @module
 */

import { askInTurn } from "./_ask_in_turn.ts";
import { Endpoint, type EndpointOptions, ownHost } from "./_endpoint.ts";
import {
  backoff,
  isRetriable,
  mayPass,
  readRetryAfter,
  type RetryPolicy,
} from "./_retry.ts";
import { delay, LONGEST_TIMER } from "./_delay.ts";
import { REGISTRY_REGEXP } from "./_grammar.ts";
import { hideSecrets } from "./_hide_secrets.ts";
import { sendAuthorized } from "./_send_authorized.ts";
import { toRegistryError } from "./_to_registry_error.ts";
import { WarningReader } from "./_warnings.ts";
import { RegistryError } from "./registry_error.ts";
import type {
  RegistryClientOptions,
  RetryOptions,
} from "./registry_client_options.ts";
import type { HostCapability } from "./registry_host.ts";
import type { RegistryAnswer, RegistryRequest } from "./registry_request.ts";

function patience(
  name: "timeout" | "stallTimeout",
  ms: number,
): number {
  if (ms > 0) return Math.min(ms, LONGEST_TIMER);
  throw new RangeError(
    `Cannot make a registry client with a ${name} of ${ms} ms: expected a number above 0`,
  );
}

/**
 * A client of registries. It keeps what it learns: tokens, how a host wants to be asked, and how long to leave it alone.
 *
 * One client serves any number of calls at once. Disposing it closes connections that were opened with certificates of
 * their own; without such there is nothing to close. Every request is published on the diagnostics channel
 * `containerkit:registry`.
 *
 * Requires `--allow-net`.
 *
 * @example Usage
 * ```ts
 * import { RegistryClient } from "@containerkit/distribution";
 *
 * using client = new RegistryClient({
 *   credentials: () => ({ username: "me", password: "secret" }),
 * });
 * ```
 */
export class RegistryClient implements Disposable {
  readonly #options: RegistryClientOptions;
  readonly #retry: RetryPolicy;
  readonly #timeout: number;
  /** How long a download may stand still, in milliseconds. */
  readonly stallTimeout: number;
  readonly #endpoints = new Map<string, Promise<readonly Endpoint[]>>();
  readonly #warnings: WarningReader;
  #isClosed = false;

  /**
   * Prepares a client. Nothing is asked yet.
   *
   * @param options Credentials, hosts, TLS and patience.
   * @throws {RangeError} If `timeout` or `stallTimeout` is not above 0.
   */
  constructor(options: RegistryClientOptions = {}) {
    this.#options = options;
    this.#timeout = patience("timeout", options.timeout ?? 60_000);
    this.stallTimeout = patience(
      "stallTimeout",
      options.stallTimeout ?? 30_000,
    );
    this.#retry = {
      attempts: options.retry?.attempts ?? 5,
      delay: options.retry?.delay ?? 500,
      maxDelay: options.retry?.maxDelay ?? 30_000,
      budget: options.retry?.budget ?? 300_000,
    };
    this.#warnings = new WarningReader(options.onNotice);
  }

  /** How failed requests are repeated, with every default filled in. */
  get retry(): Required<RetryOptions> {
    return this.#retry;
  }

  /**
   * Sends a request: to each server of the registry in turn until one has what is asked for, with credentials when the
   * server wants some, again when that may help. Redirects are followed, and credentials never cross to another origin.
   *
   * @param registry The registry, such as `docker.io`.
   * @param request What to ask.
   * @returns The answer, whose status is one of the expected.
   * @throws {RegistryError} If the registry answers with another status.
   * @throws {NetworkError} If no server can be reached.
   * @throws {Deno.errors.TimedOut} If none answers.
   * @throws {ProtocolError} If one leads where it must not.
   * @throws {SyntaxError} If the registry is none, such as a URL.
   *
   * @example Usage
   * ```ts ignore
   * import { RegistryClient } from "@containerkit/distribution";
   *
   * using client = new RegistryClient();
   * const { response } = await client.request("localhost:5000", {
   *   action: "list repositories",
   *   path: "_catalog",
   *   scopes: ["registry:catalog:*"],
   * });
   * console.log(await response.json());
   * ```
   */
  async request(
    registry: string,
    request: RegistryRequest,
  ): Promise<RegistryAnswer> {
    const { capability = "pull", server, skip = 0 } = request;
    const endpoints = await this.#find(registry);
    if (server !== undefined) {
      return await this.#send(endpoints, server.index, request, {
        isPatient: true,
      });
    }
    const able = [...endpoints.entries()].filter(([, endpoint]) =>
      endpoint.can(capability)
    );
    if (able.length === 0) {
      throw new TypeError(
        `Cannot ${request.action}: no host of "${registry}" is capable of ${capability}`,
      );
    }
    return await askInTurn(
      able.map((_, at) => able[(at + skip) % able.length]!),
      (index, options) => this.#send(endpoints, index, request, options),
      request.signal,
    );
  }

  /**
   * How many servers a registry has for a purpose.
   *
   * @param registry The registry.
   * @param capability The purpose.
   * @returns Their number.
   */
  async countHosts(
    registry: string,
    capability: HostCapability,
  ): Promise<number> {
    return (await this.#find(registry)).filter((endpoint) =>
      endpoint.can(capability)
    ).length;
  }

  /**
   * The refresh token that the registry's token server gave while this client asked for one, if any.
   *
   * @param registry The registry.
   * @returns The token: a secret.
   */
  async refreshToken(registry: string): Promise<string | undefined> {
    return (await this.#find(registry)).find(({ isOrigin, authorizer }) =>
      isOrigin && authorizer.refreshToken !== undefined
    )?.authorizer.refreshToken;
  }

  /** Closes what was opened; no request may follow. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const promise of this.#endpoints.values()) {
      promise.then(
        (list) => list.forEach((endpoint) => endpoint[Symbol.dispose]()),
        () => {},
      );
    }
  }

  #find(registry: string): Promise<readonly Endpoint[]> {
    if (this.#isClosed) {
      throw new TypeError(
        `Cannot ask "${registry}": the client is closed`,
      );
    }
    let found = this.#endpoints.get(registry);
    if (found === undefined) {
      if (!REGISTRY_REGEXP.test(registry)) {
        throw new SyntaxError(
          `Cannot ask ${
            JSON.stringify(hideSecrets(registry).slice(0, 300))
          }: it is no registry such as localhost:5000`,
        );
      }
      found = this.#makeEndpoints(registry);
      this.#endpoints.set(registry, found);
      found.catch(() => this.#endpoints.delete(registry));
    }
    return found;
  }

  async #makeEndpoints(registry: string): Promise<readonly Endpoint[]> {
    const options: EndpointOptions = {
      credentials: this.#options.credentials,
      realms: this.#options.realms ?? [],
      plainHttp: this.#options.plainHttp,
      tls: this.#options.tls,
      timeout: this.#timeout,
      stallTimeout: this.stallTimeout,
    };
    const hosts = await this.#options.hosts?.(registry) ??
      [ownHost(registry, options)];
    return hosts.map((host) => new Endpoint(registry, host, options));
  }

  /** Sends to one server, again while that may help; without patience for a moment only. */
  async #send(
    endpoints: readonly Endpoint[],
    index: number,
    request: RegistryRequest,
    { isPatient }: { isPatient: boolean },
  ): Promise<RegistryAnswer> {
    const endpoint = endpoints[index]!;
    const { expected = [200], signal } = request;
    const { budget, delay: moment } = this.#retry;
    const deadline = Date.now() + (isPatient ? budget : 2 * moment);
    for (let attempt = 1;; attempt++) {
      await endpoint.gate.wait(request.action, {
        deadline,
        ...(signal === undefined ? {} : { signal }),
      });
      const isLast = request.once || attempt >= this.#retry.attempts;
      let wait = backoff(this.#retry, attempt);
      try {
        const answer = await sendAuthorized(endpoint, index, {
          request,
          userAgent: this.#options.userAgent,
          warnings: this.#warnings,
        });
        const { status, headers } = answer.response;
        if (expected.includes(status)) return answer;
        const after = readRetryAfter(headers.get("retry-after"));
        const refusal = toRegistryError(request.action, answer, {
          method: request.method ?? "GET",
          url: answer.url,
          stallTimeout: this.stallTimeout,
          isAnonymous: status === 401 &&
            await endpoint.authorizer.isAnonymous(request.repository),
        });
        if (after !== undefined && isRetriable(status)) {
          endpoint.gate.close(after, refusal);
        }
        throw await refusal;
      } catch (error) {
        signal?.throwIfAborted();
        if (isLast || !mayPass(error)) throw error;
        if (error instanceof RegistryError) {
          wait = Math.max(wait, (error.retryAfter ?? 0) * 1000);
        }
        if (Date.now() + wait > deadline) throw error;
      }
      await delay(wait, signal);
    }
  }
}
