import { readAnswer } from "./_body.ts";
import { ByteError } from "./_byte_error.ts";
import { isObject } from "./_is_object.ts";
import { send, type Sending, type Sent } from "./_send.ts";
import { toRegistryError } from "./_to_registry_error.ts";
import type { Credentials } from "./credentials.ts";
import { NetworkError } from "./network_error.ts";
import { ProtocolError } from "./protocol_error.ts";
import { RegistryError } from "./registry_error.ts";

const TOKEN_LIMIT = 128 * 1024;
const DEFAULT_SECONDS = 60;
const MAX_REDIRECTS = 5;
const CLIENT_ID = "containerkit";

/** A token, and how long it lasts. */
export interface Token {
  readonly value: string;
  /** In milliseconds of `Date.now()`. */
  readonly expires: number;
  /** A token that stands for the password, if one was asked for and given. */
  readonly refreshToken: string | undefined;
}

/** What is asked of a token server. */
export interface TokenRequest {
  /** Where it is; it was checked. */
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** Asks for a token that stands for the password, too. */
  readonly offline: boolean;
  readonly signal: AbortSignal | undefined;
}

/** How a token server is asked. */
export interface TokenOptions {
  /** The registry the token is for. */
  readonly registry: string;
  readonly fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** How long to wait for an answer, in milliseconds, and how long it may stand still. */
  readonly timeout: number;
  readonly stallTimeout: number;
  /** Checks where a redirect leads. */
  readonly checkRealm: (text: string) => Promise<URL>;
}

/** The header of a user's name and password. */
export function encodeBasic(username: string, password: string): string {
  return `Basic ${
    new TextEncoder().encode(`${username}:${password}`).toBase64()
  }`;
}

/** Fetches a token: by GET, by OAuth2 for an identity token, or where a server knows nothing else. */
export async function fetchToken(
  request: TokenRequest,
  options: TokenOptions,
): Promise<Token> {
  const { credentials } = request;
  if (credentials !== undefined && "identityToken" in credentials) {
    return await readToken(
      await post(request, options, {
        grant_type: "refresh_token",
        refresh_token: credentials.identityToken,
      }),
      request,
      options,
    );
  }
  const user = credentials !== undefined && "username" in credentials
    ? credentials
    : undefined;
  const answer = await get(request, options, user);
  // Servers that know OAuth2 only.
  if (user !== undefined && [404, 405].includes(answer.response.status)) {
    await answer.response.body?.cancel();
    return await readToken(
      await post(request, options, {
        grant_type: "password",
        username: user.username,
        password: user.password,
      }),
      request,
      options,
    );
  }
  return await readToken(answer, request, options);
}

function get(
  request: TokenRequest,
  options: TokenOptions,
  user: { username: string; password: string } | undefined,
): Promise<Sent> {
  const url = new URL(request.realm);
  if (request.service !== undefined) {
    url.searchParams.set("service", request.service);
  }
  for (const scope of request.scopes) url.searchParams.append("scope", scope);
  if (user !== undefined) url.searchParams.set("account", user.username);
  if (request.offline) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", CLIENT_ID);
  }
  return exchange(url, options, {
    method: "GET",
    headers: user === undefined
      ? {}
      : { authorization: encodeBasic(user.username, user.password) },
    signal: request.signal,
  });
}

function post(
  request: TokenRequest,
  options: TokenOptions,
  grant: Record<string, string>,
): Promise<Sent> {
  const { service, scopes, offline } = request;
  const form = new URLSearchParams({ ...grant, client_id: CLIENT_ID });
  if (service !== undefined) form.set("service", service);
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  if (offline) form.set("access_type", "offline");
  return exchange(request.realm, options, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: form.toString(),
    signal: request.signal,
  });
}

/** Follows redirects by the same rule as the realm; credentials stay with the first origin. */
async function exchange(
  url: URL,
  options: TokenOptions,
  init: Pick<Sending, "method" | "headers" | "body" | "signal">,
): Promise<Sent> {
  for (let hops = 0;; hops++) {
    const sent = await send(options.fetch, url, {
      ...init,
      action: `authenticate at "${options.registry}"`,
      timeout: options.timeout,
    });
    const { status, headers, body } = sent.response;
    const location = headers.get("location");
    if (status < 300 || status > 399 || !location) return sent;
    await body?.cancel();
    if (hops === MAX_REDIRECTS || init.method !== "GET") {
      throw new RegistryError("fetch a token", {
        status,
        method: init.method,
        url: url.origin + url.pathname,
        detail: "it redirects too often, or redirects a form with secrets",
      });
    }
    const next = await options.checkRealm(new URL(location, url).href);
    if (next.origin !== url.origin) init = { ...init, headers: {} };
    url = next;
  }
}

async function readToken(
  answer: Sent,
  { realm, credentials, signal }: TokenRequest,
  { registry, stallTimeout }: TokenOptions,
): Promise<Token> {
  const action = `authenticate at "${registry}"`;
  if (answer.response.status !== 200) {
    throw await toRegistryError(action, answer, {
      method: "GET",
      url: realm,
      stallTimeout,
      isAnonymous: credentials === undefined,
    });
  }
  let reply: unknown;
  try {
    const bytes = await readAnswer(answer, {
      limit: TOKEN_LIMIT,
      what: "the token",
      stallTimeout,
      signal,
    });
    reply = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    if (cause instanceof ByteError) {
      throw new NetworkError(
        action,
        { host: realm.host, why: cause.message },
        { cause },
      );
    }
    // What is no JSON stays untold: it may hold secrets.
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  const fields = isObject(reply) ? reply : {};
  // Some have both fields, and leave one empty. A header takes visible ASCII only.
  const value = [fields.token, fields.access_token].find((
    field,
  ): field is string => typeof field === "string" && field !== "");
  if (value === undefined || !/^[\x21-\x7e]+$/.test(value)) {
    throw new ProtocolError(action, {
      host: realm.host,
      why: "the reply of its token server holds no token",
    });
  }
  const { expires_in: stated, refresh_token: refreshToken } = fields;
  const seconds = typeof stated === "number" && stated > 0
    ? stated
    : DEFAULT_SECONDS;
  return {
    value,
    // The reply's own `issued_at` would need clocks that agree: from now on is never too long by more than the way here.
    expires: Date.now() + seconds * 1000,
    refreshToken: typeof refreshToken === "string" ? refreshToken : undefined,
  };
}
