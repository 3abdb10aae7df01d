import { Authorizer, type AuthorizerOptions } from "./_authorizer.ts";
import { hasName, isOrigin, ownBase } from "./_origin.ts";
import { type Dial, touch } from "./_dial.ts";
import { Gate } from "./_retry.ts";
import { insecureFetch } from "./_insecure_fetch.ts";
import type { CredentialSource } from "./credentials.ts";
import type { HostCapability, HostTls, RegistryHost } from "./registry_host.ts";

/** What a client makes endpoints from. */
export interface EndpointOptions {
  readonly credentials: CredentialSource | undefined;
  readonly realms: readonly string[];
  readonly plainHttp: boolean | undefined;
  readonly tls: HostTls | undefined;
  /** How long to wait for an answer, in milliseconds, and how long one may stand still. */
  readonly timeout: number;
  readonly stallTimeout: number;
}

/** A server that could not be reached is not asked for so long, in milliseconds, while there are others. */
const AWAY_MS = 60_000;

/** One server that requests are sent to, with what was learned of it. */
export class Endpoint implements Disposable {
  /** The base of the API, ending in `/`. */
  readonly base: URL;
  /** The registry that is meant, where the server has another name. */
  readonly namespace: string | undefined;
  /** Whether it is the registry itself, and no mirror. */
  readonly isOrigin: boolean;
  readonly authorizer: Authorizer;
  readonly gate: Gate = new Gate();
  /** How long to wait for an answer, in milliseconds. */
  readonly timeout: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #capabilities: readonly HostCapability[] | undefined;
  readonly #tls: HostTls | undefined;
  readonly #dial: Dial | undefined;
  readonly #options: EndpointOptions;
  /** For servers that this one leads to. */
  readonly #followed = new Map<string, Authorizer>();
  #isReached = false;
  #awayUntil = 0;
  #client: Deno.HttpClient | undefined;
  /** Trusts the same authorities, but shows no certificate: for other servers. */
  #foreign: Deno.HttpClient | undefined;

  constructor(
    registry: string,
    host: RegistryHost,
    options: EndpointOptions,
  ) {
    const base = URL.parse(host.url);
    if (base === null) {
      // It may hold a password.
      throw new TypeError(`Cannot ask "${registry}": a host of it has no URL`);
    }
    this.base = base;
    if (!this.base.pathname.endsWith("/")) this.base.pathname += "/";
    const isOwn = hasName(registry, this.base);
    this.isOrigin = isOrigin(registry, host);
    this.namespace = isOwn ? undefined : registry;
    this.headers = host.headers ?? {};
    this.timeout = options.timeout;
    const { timeout } = host;
    this.#dial = timeout === undefined
      ? undefined
      : { timeout, connect: (signal) => touch(base, signal) };
    this.#capabilities = host.capabilities;
    this.#tls = host.tls;
    this.#options = options;
    this.authorizer = this.#makeAuthorizer({
      base: this.base,
      registry: isOwn ? registry : this.base.host,
      origin: this.isOrigin && !isOwn ? registry : undefined,
      credentials: options.credentials,
    });
  }

  #makeAuthorizer(
    whose: Pick<
      AuthorizerOptions,
      "base" | "registry" | "origin" | "credentials"
    >,
  ): Authorizer {
    return new Authorizer({
      ...whose,
      realms: this.#options.realms,
      fetch: (url, init) => this.fetch(url, init),
      timeout: this.timeout,
      stallTimeout: this.#options.stallTimeout,
    });
  }

  /** Who authorizes requests to a URL: nobody those to another server, unless that is followed. */
  authorizerOf(url: URL, repository = ""): Authorizer | undefined {
    return url.origin === this.base.origin
      ? this.authorizer
      : this.#followed.get(`${url.origin} ${repository}`);
  }

  /** Fetches tokens for another server that this one leads to: those that anybody gets. */
  follow(url: URL, repository = ""): Authorizer {
    const key = `${url.origin} ${repository}`;
    let authorizer = this.#followed.get(key);
    if (authorizer === undefined) {
      authorizer = this.#makeAuthorizer({
        base: new URL("/v2/", url),
        registry: url.host,
        credentials: undefined,
      });
      this.#followed.set(key, authorizer);
    }
    return authorizer;
  }

  can(capability: HostCapability): boolean {
    return this.#capabilities?.includes(capability) ?? true;
  }

  /** Whether it could not be reached a while ago. */
  get isAway(): boolean {
    return Date.now() < this.#awayUntil;
  }

  /** Notes that it cannot be reached. */
  leave(): void {
    this.#isReached = false;
    this.#awayUntil = Date.now() + AWAY_MS;
  }

  /** How it is reached, until it was. */
  get dial(): Dial | undefined {
    return this.#isReached ? undefined : this.#dial;
  }

  /** Sends one request, by this server's TLS settings as far as the target is this server. */
  async fetch(url: URL, init: RequestInit): Promise<Response> {
    const isOwn = url.origin === this.base.origin;
    const response = await this.#fetch(url, init, isOwn);
    this.#isReached ||= isOwn;
    return response;
  }

  #fetch(url: URL, init: RequestInit, isOwn: boolean): Promise<Response> {
    if (this.#tls === undefined || url.protocol === "http:") {
      return fetch(url, init);
    }
    if (isOwn && this.#tls.skipVerify) {
      return insecureFetch(url, init, this.#tls);
    }
    return fetch(url, { ...init, client: this.#httpClient(isOwn) });
  }

  #httpClient(isOwn: boolean): Deno.HttpClient {
    const { ca = [], cert, key } = this.#tls!;
    if (isOwn && cert !== undefined && key !== undefined) {
      return this.#client ??= Deno.createHttpClient({
        caCerts: [...ca],
        cert,
        key,
      });
    }
    return this.#foreign ??= Deno.createHttpClient({ caCerts: [...ca] });
  }

  [Symbol.dispose](): void {
    this.#client?.close();
    this.#foreign?.close();
    this.#client = this.#foreign = undefined;
  }
}

/** The registry itself as a host. */
export function ownHost(
  registry: string,
  { plainHttp, tls }: EndpointOptions,
): RegistryHost {
  const isPlain = plainHttp ?? (tls === undefined ? undefined : false);
  return {
    url: `${ownBase(registry, { isPlain })}/v2/`,
    ...(tls === undefined ? {} : { tls }),
  };
}
