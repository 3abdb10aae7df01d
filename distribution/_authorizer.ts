import { refuseTarget } from "./_address.ts";
import { type Challenge, parseChallenges } from "./_challenge.ts";
import { encodeBasic, fetchToken, type Token } from "./_fetch_token.ts";
import { showUrl } from "./_hide_secrets.ts";
import { HeldCredentials } from "./_held_credentials.ts";
import { mergeScopes } from "./_scopes.ts";
import type { Credentials, CredentialSource } from "./credentials.ts";
import { ProtocolError } from "./protocol_error.ts";
import { RegistryError } from "./registry_error.ts";

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
  /** Another name for them, where there are none by the first. */
  readonly origin?: string | undefined;
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
  readonly #credentials: HeldCredentials;
  /** What the server asked for beyond what was thought enough. */
  readonly #extra = new Map<string, readonly string[]>();
  /** Refresh tokens that the realm gave, by what they were given for. */
  #refreshToken: string | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#credentials = new HeldCredentials(async (repository) => {
      const find = async (registry: string) =>
        await options.credentials?.({
          registry,
          ...(repository === undefined ? {} : { repository }),
        });
      const { registry, origin } = options;
      return await find(registry) ??
        (origin === undefined ? undefined : await find(origin));
    });
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
    const { repository } = options;
    const credentials = await this.#credentials.find(repository);
    try {
      return await this.#makeHeader(scheme, credentials, scopes, options);
    } catch (error) {
      if (
        !isRefusal(error) ||
        !await this.#credentials.renew(repository, credentials)
      ) throw error;
    }
    const renewed = await this.#credentials.find(repository);
    return await this.#makeHeader(scheme, renewed, scopes, options);
  }

  async #makeHeader(
    scheme: Scheme,
    credentials: Credentials | undefined,
    scopes: readonly string[],
    options: { repository?: string; signal?: AbortSignal; offline?: boolean },
  ): Promise<string | undefined> {
    const direct = directHeader(scheme, credentials);
    if (direct !== undefined || scheme.kind === "basic") return direct;
    const wanted = this.#wanted(scopes);
    const key = JSON.stringify([options.repository, wanted]);
    let promise = this.#tokens.get(key);
    if (promise !== undefined) {
      const token = await promise.catch((error) => {
        // Whatever else ended the fetch of another is not for this one.
        if (isRefusal(error)) throw error;
        return undefined;
      });
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
   * Learns from a refusal: a 401, or a 403 to what was sent.
   *
   * @param options.sent The header that was sent.
   * @param options.mayRenew Whether the credentials may be asked for once again.
   * @returns Whether asking again may help.
   */
  async refused(
    response: Response,
    scopes: readonly string[],
    options: {
      repository?: string;
      sent: string | undefined;
      mayRenew: boolean;
    },
  ): Promise<boolean> {
    const { repository, sent, mayRenew } = options;
    const isChallenge = response.status === 401 &&
      await this.#learn(response, scopes);
    const scheme = this.#scheme;
    if (scheme === undefined) return false;
    const wasHeld = this.#credentials.has(repository);
    const credentials = await this.#credentials.find(repository);
    const direct = directHeader(scheme, credentials);
    if (direct === undefined && scheme.kind === "bearer") {
      if (!isChallenge || sent === undefined) return isChallenge;
      this.#dropToken(scopes, options);
      // Somebody may have logged in since.
      if (credentials === undefined && mayRenew) {
        await this.#credentials.renew(repository, credentials);
      }
      return true;
    }
    if (direct !== sent) return direct !== undefined;
    // The same again would be refused again.
    return wasHeld && mayRenew &&
      await this.#credentials.renew(repository, credentials);
  }

  /** Whether the server wants credentials and none were found. */
  async isAnonymous(repository: string | undefined): Promise<boolean> {
    return this.#scheme !== undefined &&
      await this.#credentials.find(repository) === undefined;
  }

  /** Learns how the server wants to be asked, if it says so. */
  async #learn(
    response: Response,
    scopes: readonly string[],
  ): Promise<boolean> {
    const challenges = parseChallenges(
      response.headers.get("www-authenticate") ?? "",
    );
    const bearer = challenges.find(({ scheme, parameters }) =>
      scheme === "bearer" && parameters.has("realm")
    );
    const basic = challenges.find(({ scheme }) => scheme === "basic");
    if (bearer !== undefined) await this.#learnBearer(bearer, scopes);
    else if (basic !== undefined) this.#scheme = { kind: "basic" };
    return (bearer ?? basic) !== undefined;
  }

  async #learnBearer(
    { parameters }: Challenge,
    scopes: readonly string[],
  ): Promise<void> {
    const realm = await this.#checkRealm(parameters.get("realm")!);
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
  }

  /** The token was refused: it expired, or has too few rights. It is fetched anew, whoever did it first. */
  #dropToken(
    scopes: readonly string[],
    { repository, sent }: { repository?: string; sent: string | undefined },
  ): void {
    const key = JSON.stringify([repository, this.#wanted(scopes)]);
    void this.#tokens.get(key)?.then(({ value }) => {
      if (`Bearer ${value}` === sent) this.#tokens.delete(key);
    }, () => {});
  }

  #wanted(scopes: readonly string[]): readonly string[] {
    const own = mergeScopes(scopes);
    return this.#extra.get(JSON.stringify(own)) ?? own;
  }

  async #checkRealm(text: string): Promise<URL> {
    const { base, realms } = this.#options;
    const url = URL.parse(text, base);
    const refuse = (why: string): never => {
      const { registry } = this.#options;
      throw new ProtocolError(`authenticate at "${registry}"`, {
        host: registry,
        why: `its realm${
          url === null ? "" : ` ${JSON.stringify(showUrl(url))}`
        } is refused: ${why}`,
      });
    };
    if (url === null) return refuse("it is not a URL");
    if (url.username !== "" || url.password !== "") {
      refuse("it holds credentials");
    }
    if (realms.includes(url.origin) || realms.includes(url.host)) return url;
    const why = await refuseTarget(base, url);
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

/** The header that credentials are sent in as they are; where tokens are wanted, a password is not. */
function directHeader(
  { kind }: Scheme,
  credentials: Credentials | undefined,
): string | undefined {
  if (credentials === undefined) return undefined;
  if ("registryToken" in credentials) {
    return `Bearer ${credentials.registryToken}`;
  }
  return kind === "basic" && "username" in credentials
    ? encodeBasic(credentials.username, credentials.password)
    : undefined;
}

/** Whether a token server refuses the credentials; OAuth2 has 400 for that, others 403. */
function isRefusal(error: unknown): boolean {
  return error instanceof RegistryError &&
    [400, 401, 403].includes(error.status);
}
