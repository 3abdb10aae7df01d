/**
 * Requests to registries: authenticated, repeated where that helps, and safe.
 *
 * @module
 */

import { refuseForeign, refuseTarget } from "./_address.ts";
import { askInTurn } from "./_ask_in_turn.ts";
import { showUrl } from "./_hide_secrets.ts";
import { Endpoint, type EndpointOptions, ownHost } from "./_endpoint.ts";
import {
  backoff,
  isRetriable,
  mayPass,
  readRetryAfter,
  type RetryPolicy,
} from "./_retry.ts";
import { delay } from "./_delay.ts";
import { send } from "./_send.ts";
import { toRegistryError } from "./_to_registry_error.ts";
import { WarningReader } from "./_warnings.ts";
import { ProtocolError } from "./protocol_error.ts";
import { RegistryError } from "./registry_error.ts";
import type {
  RegistryClientOptions,
  RetryOptions,
} from "./registry_client_options.ts";
import type { HostCapability } from "./registry_host.ts";
import type { RegistryAnswer, RegistryRequest } from "./registry_request.ts";

const MAX_REDIRECTS = 10;
const MAX_CHALLENGES = 3;

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
  readonly #endpoints = new Map<string, Promise<readonly Endpoint[]>>();
  readonly #warnings: WarningReader;
  #isClosed = false;

  /**
   * Prepares a client. Nothing is asked yet.
   *
   * @param options Credentials, hosts, TLS and patience.
   */
  constructor(options: RegistryClientOptions = {}) {
    this.#options = options;
    this.#retry = {
      attempts: options.retry?.attempts ?? 5,
      delay: options.retry?.delay ?? 500,
      maxDelay: options.retry?.maxDelay ?? 30_000,
      budget: options.retry?.budget ?? 300_000,
    };
    this.#warnings = new WarningReader(options.onNotice);
  }

  /** How long a download may stand still, in milliseconds. */
  get stallTimeout(): number {
    return this.#options.stallTimeout ?? 30_000;
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
      timeout: this.#options.timeout ?? 60_000,
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
        const answer = await this.#authenticate(endpoint, index, request);
        const { status, headers } = answer.response;
        if (expected.includes(status)) return answer;
        const after = readRetryAfter(headers.get("retry-after"));
        const refusal = toRegistryError(request.action, answer, {
          method: request.method ?? "GET",
          url: answer.url,
          stallTimeout: this.stallTimeout,
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

  /** Sends with credentials, when the server wants some. */
  async #authenticate(
    endpoint: Endpoint,
    index: number,
    request: RegistryRequest,
  ): Promise<RegistryAnswer> {
    const { scopes = [], repository, signal } = request;
    const context = {
      offline: request.offline ?? false,
      ...(repository === undefined ? {} : { repository }),
      ...(signal === undefined ? {} : { signal }),
    };
    const isOwn = (url: URL) => url.origin === endpoint.base.origin;
    // Whoever is led on to another server reads there what anybody may.
    const mayAuthorize = (url: URL) =>
      !request.anonymous && (isOwn(url) || isRead(request));
    // What another server wants it says itself.
    const scopesOf = (url: URL) => isOwn(url) ? scopes : [];
    let sent = 0;
    for (let challenges = 0;; challenges++) {
      let authorization: string | undefined;
      const answer = await this.#exchange(endpoint, index, {
        request,
        authorize: async (url) => {
          authorization = mayAuthorize(url)
            ? await endpoint.authorizerOf(url, repository)
              ?.header(scopesOf(url), context)
            : undefined;
          return authorization;
        },
      });
      const { response, url } = answer;
      if (isOwn(url) && authorization !== undefined) sent++;
      // Some say of a password that ended that it is forbidden.
      const isRefused = response.status === 401 ||
        response.status === 403 && isOwn(url) && authorization !== undefined;
      if (
        !isRefused || !mayAuthorize(url) || challenges >= MAX_CHALLENGES
      ) return answer;
      let mayHelp: boolean;
      try {
        const authorizer = isOwn(url)
          ? endpoint.authorizer
          : endpoint.follow(url, repository);
        mayHelp = await authorizer.refused(response, scopesOf(url), {
          ...context,
          sent: authorization,
          // A source that gives another password each time is not asked without end.
          mayRenew: isOwn(url) && sent < 2,
        });
      } catch (error) {
        await response.body?.cancel();
        throw error;
      }
      if (!mayHelp) return answer;
      await response.body?.cancel();
    }
  }

  /** Sends once, and follows redirects. */
  async #exchange(
    endpoint: Endpoint,
    index: number,
    { request, authorize }: {
      request: RegistryRequest;
      authorize: (url: URL) => Promise<string | undefined>;
    },
  ): Promise<RegistryAnswer> {
    const { method = "GET" } = request;
    let url = typeof request.path === "string"
      ? new URL(request.path, endpoint.base)
      : new URL(request.path);
    if (endpoint.namespace !== undefined && typeof request.path === "string") {
      url.searchParams.set("ns", endpoint.namespace);
    }
    // Deno's fetch() reads files as well.
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw new TypeError(
        `Cannot ${request.action}: "${url.protocol}" is neither http nor https`,
      );
    }
    for (let hops = 0;; hops++) {
      const isOwn = url.origin === endpoint.base.origin;
      const authorization = await authorize(url);
      const headers: Record<string, string> = {
        // Deno would decode the body, and the digest is of the bytes as they are stored.
        "accept-encoding": "identity",
        "user-agent": this.#options.userAgent ?? "containerkit",
        ...(isOwn && !request.anonymous ? endpoint.headers : {}),
        ...request.headers,
        ...(authorization === undefined ? {} : { authorization }),
      };
      const sent = await send((url, init) => endpoint.fetch(url, init), url, {
        action: request.action,
        method,
        headers,
        body: request.body,
        // The end of an upload may wait for the server to hash or move what was sent.
        timeout: isRead(request) ? endpoint.timeout : endpoint.timeout * 10,
        dial: isOwn ? endpoint.dial : undefined,
        signal: request.signal,
      });
      const { response } = sent;
      this.#warnings.read(url.host, response.headers);
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || !location) {
        return { ...sent, url, index };
      }
      await response.body?.cancel();
      const next = URL.parse(location, url);
      const why = hops === MAX_REDIRECTS
        ? `there are more than ${MAX_REDIRECTS} redirects`
        : next === null
        ? "it is not a URL"
        : !isRead(request) && response.status < 307
        ? `a ${method} would become a GET`
        : await (request.anonymous ? refuseForeign : refuseTarget)(url, next);
      if (why !== undefined) {
        throw new ProtocolError(request.action, {
          host: url.host,
          why: `${url.host} redirects${
            next === null ? "" : ` to ${JSON.stringify(showUrl(next))}`
          }, which is refused: ${why}`,
        });
      }
      url = next!;
    }
  }
}

function isRead({ method = "GET" }: RegistryRequest): boolean {
  return method === "GET" || method === "HEAD";
}
