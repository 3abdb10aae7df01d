import { refuseTarget } from "./_address.ts";
import { type Challenge, parseChallenges } from "./_challenge.ts";
import { encodeBasic, fetchToken, type Token } from "./_fetch_token.ts";
import { mergeScopes } from "./_scopes.ts";
import type { Credentials, CredentialSource } from "./credentials.ts";
import { ProtocolError } from "./protocol_error.ts";

/** A token this close to its end is not used any more. */
const MARGIN_MS = 10_000;

/** How one server wants to be asked, once it said so. */
interface Scheme {
  readonly kind: "basic" | "bearer";
  readonly realm?: URL;
  readonly service?: string;
}

/** What an authorizer is made from. */
export interface AuthorizerOptions {
  /** The base of the server's API. */
  readonly base: URL;
  /** The name credentials are known by. */
  readonly registry: string;
  readonly credentials: CredentialSource | undefined;
  /** Origins or host names that tokens may be fetched from, whatever they are. */
  readonly realms: readonly string[];
  readonly fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** How long to wait for a token server, in milliseconds, and how long it may stand still. */
  readonly timeout: number;
  readonly stallTimeout: number;
}

/** Sends credentials and tokens to one server, and fetches the tokens. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  #scheme: Scheme | undefined;
  /** One fetch for all who need the same rights at the same time. */
  readonly #tokens = new Map<string, Promise<Token>>();
  readonly #credentials = new Map<string, Promise<Credentials | undefined>>();
  /** What the server asked for beyond what was thought enough. */
  readonly #extra = new Map<string, readonly string[]>();
  /** Refresh tokens that the realm gave, by what they were given for. */
  #refreshToken: string | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The refresh token that the realm gave, for `login()`. */
  get refreshToken(): string | undefined {
    return this.#refreshToken;
  }

  /** The header for a request with these rights, as far as it is known already. */
  async header(
    scopes: readonly string[],
    options: { repository?: string; signal?: AbortSignal; offline?: boolean },
  ): Promise<string | undefined> {
    const scheme = this.#scheme;
    if (scheme === undefined) return undefined;
    const credentials = await this.#findCredentials(options.repository);
    if (credentials !== undefined && "registryToken" in credentials) {
      return `Bearer ${credentials.registryToken}`;
    }
    if (scheme.kind === "basic") {
      return credentials !== undefined && "username" in credentials
        ? encodeBasic(credentials.username, credentials.password)
        : undefined;
    }
    const wanted = this.#wanted(scopes);
    const key = JSON.stringify([options.repository, wanted]);
    let promise = this.#tokens.get(key);
    if (promise !== undefined) {
      const token = await promise.catch(() => undefined);
      if (token === undefined || token.expires < Date.now() + MARGIN_MS) {
        if (this.#tokens.get(key) === promise) this.#tokens.delete(key);
        promise = this.#tokens.get(key);
      }
    }
    if (promise === undefined) {
      promise = this.#fetchToken(scheme, credentials, wanted, options);
      this.#tokens.set(key, promise);
      promise.catch(() => {
        if (this.#tokens.get(key) === promise) this.#tokens.delete(key);
      });
    }
    return `Bearer ${(await promise).value}`;
  }

  /**
   * Learns from a 401.
   *
   * @param sent The header that was sent.
   * @returns Whether asking again may help.
   */
  async challenged(
    response: Response,
    scopes: readonly string[],
    options: { repository?: string; sent: string | undefined },
  ): Promise<boolean> {
    const challenges = parseChallenges(
      response.headers.get("www-authenticate") ?? "",
    );
    const bearer = challenges.find(({ scheme, parameters }) =>
      scheme === "bearer" && parameters.has("realm")
    );
    const basic = challenges.find(({ scheme }) => scheme === "basic");
    if (bearer !== undefined) {
      return this.#learnBearer(bearer, scopes, options);
    }
    if (basic === undefined) return false;
    this.#scheme = { kind: "basic" };
    // The same password again would be refused again.
    return options.sent === undefined &&
      await this.#findCredentials(options.repository) !== undefined;
  }

  #learnBearer(
    { parameters }: Challenge,
    scopes: readonly string[],
    options: { repository?: string; sent: string | undefined },
  ): boolean {
    const realm = this.#checkRealm(parameters.get("realm")!);
    const service = parameters.get("service");
    this.#scheme = {
      kind: "bearer",
      realm,
      ...(service === undefined ? {} : { service }),
    };
    const known = this.#wanted(scopes);
    const asked = (parameters.get("scope") ?? "").split(" ").filter(
      (scope) => scope !== "",
    );
    const wanted = mergeScopes([...known, ...asked]);
    this.#extra.set(JSON.stringify(mergeScopes(scopes)), wanted);
    if (options.sent === undefined) return true;
    // The token was refused: it expired, or has too few rights. It is fetched anew, whoever did it first.
    const key = JSON.stringify([options.repository, wanted]);
    void this.#tokens.get(key)?.then(({ value }) => {
      if (`Bearer ${value}` === options.sent) this.#tokens.delete(key);
    }, () => {});
    return true;
  }

  #wanted(scopes: readonly string[]): readonly string[] {
    const own = mergeScopes(scopes);
    return this.#extra.get(JSON.stringify(own)) ?? own;
  }

  #findCredentials(
    repository: string | undefined,
  ): Promise<Credentials | undefined> {
    const key = repository ?? "";
    let found = this.#credentials.get(key);
    if (found === undefined) {
      found = (async () =>
        await this.#options.credentials?.({
          registry: this.#options.registry,
          ...(repository === undefined ? {} : { repository }),
        }))();
      this.#credentials.set(key, found);
      found.catch(() => this.#credentials.delete(key));
    }
    return found;
  }

  #checkRealm(text: string): URL {
    const { base, realms } = this.#options;
    const url = URL.parse(text, base);
    const refuse = (why: string): never => {
      const { registry } = this.#options;
      throw new ProtocolError(`authenticate at "${registry}"`, {
        host: registry,
        why: `its realm ${
          JSON.stringify(text.slice(0, 200))
        } is refused: ${why}`,
      });
    };
    if (url === null) return refuse("it is not a URL");
    if (url.username !== "" || url.password !== "") {
      refuse("it holds credentials");
    }
    if (realms.includes(url.origin) || realms.includes(url.host)) return url;
    const why = refuseTarget(base, url);
    if (why !== undefined) refuse(why);
    return url;
  }

  async #fetchToken(
    { realm, service }: Scheme,
    credentials: Credentials | undefined,
    scopes: readonly string[],
    options: { signal?: AbortSignal; offline?: boolean },
  ): Promise<Token> {
    const token = await fetchToken({
      realm: realm!,
      service,
      scopes,
      credentials,
      offline: options.offline ?? false,
      signal: options.signal,
    }, {
      ...this.#options,
      checkRealm: (text) => this.#checkRealm(text),
    });
    this.#refreshToken = token.refreshToken ?? this.#refreshToken;
    return token;
  }
}
