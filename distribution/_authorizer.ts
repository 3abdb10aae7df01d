import { refuseTarget } from "./_address.ts";
import { readBody } from "./_body.ts";
import { type Challenge, parseChallenges } from "./_challenge.ts";
import { isObject } from "./_is_object.ts";
import { mergeScopes } from "./_scopes.ts";
import type { Credentials, CredentialSource } from "./credentials.ts";
import { RegistryError } from "./registry_error.ts";
import { toRegistryError } from "./_to_registry_error.ts";

const TOKEN_LIMIT = 128 * 1024;
const DEFAULT_SECONDS = 60;
/** A token this close to its end is not used any more. */
const MARGIN_MS = 10_000;
const MAX_REDIRECTS = 5;
const CLIENT_ID = "containerkit";

interface Token {
  readonly value: string;
  /** In milliseconds of `Date.now()`. */
  readonly expires: number;
}

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
}

function encodeBasic(username: string, password: string): string {
  return `Basic ${
    new TextEncoder().encode(`${username}:${password}`).toBase64()
  }`;
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
      throw new TypeError(
        `Cannot authenticate at "${this.#options.registry}": its realm ${
          JSON.stringify(text.slice(0, 200))
        } is refused: ${why}`,
      );
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
    scheme: Scheme,
    credentials: Credentials | undefined,
    scopes: readonly string[],
    options: { signal?: AbortSignal; offline?: boolean },
  ): Promise<Token> {
    if (credentials !== undefined && "identityToken" in credentials) {
      return await this.#readToken(
        await this.#post(scheme, scopes, options, {
          grant_type: "refresh_token",
          refresh_token: credentials.identityToken,
        }),
      );
    }
    const user = credentials !== undefined && "username" in credentials
      ? credentials
      : undefined;
    const response = await this.#get(scheme, scopes, options, user);
    // Servers that know OAuth2 only.
    if (user !== undefined && [404, 405].includes(response.status)) {
      await response.body?.cancel();
      return await this.#readToken(
        await this.#post(scheme, scopes, options, {
          grant_type: "password",
          username: user.username,
          password: user.password,
        }),
      );
    }
    return await this.#readToken(response);
  }

  async #get(
    scheme: Scheme,
    scopes: readonly string[],
    options: { signal?: AbortSignal; offline?: boolean },
    user: { username: string; password: string } | undefined,
  ): Promise<Response> {
    const url = new URL(scheme.realm!);
    if (scheme.service !== undefined) {
      url.searchParams.set("service", scheme.service);
    }
    for (const scope of scopes) url.searchParams.append("scope", scope);
    if (user !== undefined) url.searchParams.set("account", user.username);
    if (options.offline) {
      url.searchParams.set("offline_token", "true");
      url.searchParams.set("client_id", CLIENT_ID);
    }
    return await this.#send(url, {
      method: "GET",
      headers: user === undefined
        ? {}
        : { authorization: encodeBasic(user.username, user.password) },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  async #post(
    scheme: Scheme,
    scopes: readonly string[],
    options: { signal?: AbortSignal; offline?: boolean },
    grant: Record<string, string>,
  ): Promise<Response> {
    const form = new URLSearchParams({ ...grant, client_id: CLIENT_ID });
    if (scheme.service !== undefined) form.set("service", scheme.service);
    if (scopes.length > 0) form.set("scope", scopes.join(" "));
    if (options.offline) form.set("access_type", "offline");
    return await this.#send(new URL(scheme.realm!), {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: form.toString(),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  /** Follows redirects by the same rule as the realm; credentials stay with the first origin. */
  async #send(url: URL, init: RequestInit): Promise<Response> {
    for (let hops = 0;; hops++) {
      const response = await this.#options.fetch(url, {
        ...init,
        redirect: "manual",
      });
      const location = response.headers.get("location");
      if (response.status < 300 || response.status > 399 || !location) {
        return response;
      }
      await response.body?.cancel();
      if (hops === MAX_REDIRECTS || init.method !== "GET") {
        throw new RegistryError("fetch a token", {
          status: response.status,
          method: init.method!,
          url: url.origin + url.pathname,
          detail: "it redirects too often, or redirects a form with secrets",
        });
      }
      const next = this.#checkRealm(new URL(location, url).href);
      if (next.origin !== url.origin) init = { ...init, headers: {} };
      url = next;
    }
  }

  async #readToken(response: Response): Promise<Token> {
    if (response.status !== 200) {
      throw await toRegistryError(
        `authenticate at "${this.#options.registry}"`,
        response,
        { method: "GET", url: this.#scheme!.realm! },
      );
    }
    const text = await readBody(response, TOKEN_LIMIT, "the token");
    let reply: unknown;
    try {
      reply = JSON.parse(new TextDecoder().decode(text));
    } catch {
      // What it is stays untold: it may hold secrets.
    }
    const fields = isObject(reply) ? reply : {};
    const value = fields.token ?? fields.access_token;
    // A header takes visible ASCII only.
    if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) {
      throw new TypeError(
        `Cannot authenticate at "${this.#options.registry}": the reply of its token server holds no token`,
      );
    }
    if (typeof fields.refresh_token === "string") {
      this.#refreshToken = fields.refresh_token;
    }
    const seconds = typeof fields.expires_in === "number" &&
        fields.expires_in > 0
      ? fields.expires_in
      : DEFAULT_SECONDS;
    // The reply's own `issued_at` would need clocks that agree: from now on is never too long by more than the way here.
    return { value, expires: Date.now() + seconds * 1000 };
  }
}
