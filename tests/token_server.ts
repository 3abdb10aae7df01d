import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign,
} from "node:crypto";
import { freePort } from "./free_port.ts";

/** A server that gives out the tokens docker-registry takes. */
export interface TokenServer extends AsyncDisposable {
  /** For docker-registry's configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What it was asked, such as `GET repository:a:pull`. */
  readonly requests: string[];
}

/** Options of {@linkcode startTokenServer}. */
export interface TokenServerOptions {
  /** A certificate and its RSA key, as PEM files. */
  cert: string;
  key: string;
  /** How long tokens last, in seconds. */
  seconds?: number;
  /** Which methods it knows. */
  methods?: readonly string[];
}

/** The user, password and refresh token it knows. */
export const TOKEN_USER = {
  username: "alice",
  password: "s3cret",
  identityToken: "opaque-refresh-1",
} as const;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** How docker-registry names a key: the hash of it in base32. */
function keyId(der: Uint8Array): string {
  const hash = createHash("sha256").update(der).digest().subarray(0, 30);
  const bits = [...hash].map((byte) => byte.toString(2).padStart(8, "0"))
    .join("");
  return bits.match(/.{5}/g)!.map((five) => ALPHABET[parseInt(five, 2)])
    .join("").match(/.{4}/g)!.join(":");
}

function encode(value: unknown): string {
  return new TextEncoder().encode(JSON.stringify(value)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
}

/** Who asks, or `undefined` for a wrong password. */
function identify(
  request: Request,
  fields: URLSearchParams,
): string | undefined {
  const header = request.headers.get("authorization");
  if (header !== null) {
    const [name, password] = atob(header.slice(6)).split(":");
    return password === TOKEN_USER.password ? name : undefined;
  }
  if (request.method === "GET") return "";
  return fields.get("grant_type") === "password"
    ? (fields.get("password") === TOKEN_USER.password
      ? fields.get("username")!
      : undefined)
    : (fields.get("refresh_token") === TOKEN_USER.identityToken
      ? TOKEN_USER.username
      : undefined);
}

/** Starts the server on loopback. Without a user it gives rights to pull only. */
export function startTokenServer(options: TokenServerOptions): TokenServer {
  const { seconds = 300, methods = ["GET", "POST"] } = options;
  const key = createPrivateKey(Deno.readTextFileSync(options.key));
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  const kid = keyId(der);
  const port = freePort();
  const requests: string[] = [];
  const handle = async (request: Request): Promise<Response> => {
    const fields = request.method === "GET"
      ? new URL(request.url).searchParams
      : new URLSearchParams(await request.text());
    const scopes = fields.getAll("scope").flatMap((text) => text.split(" "))
      .filter(Boolean);
    requests.push(`${request.method} ${scopes.join(" ")}`.trim());
    if (!methods.includes(request.method)) {
      return new Response(null, { status: 405 });
    }
    const user = identify(request, fields);
    if (user === undefined) {
      return Response.json({ errors: [{ code: "UNAUTHORIZED" }] }, {
        status: 401,
      });
    }
    const now = Math.floor(Date.now() / 1000);
    const access = scopes.map((scope) => {
      const [type, name, actions] = scope.split(":") as [
        string,
        string,
        string,
      ];
      return {
        type,
        name,
        actions: actions.split(",").filter((action) =>
          user !== "" || action === "pull"
        ),
      };
    });
    const head = `${encode({ typ: "JWT", alg: "RS256", kid })}.${
      encode({
        iss: "tests",
        sub: user,
        aud: fields.get("service"),
        exp: now + seconds,
        nbf: now - 10,
        iat: now,
        jti: crypto.randomUUID(),
        access,
      })
    }`;
    const signature = sign("sha256", new TextEncoder().encode(head), key);
    const token = `${head}.${
      new Uint8Array(signature).toBase64({
        alphabet: "base64url",
        omitPadding: true,
      })
    }`;
    const isOffline = fields.get("offline_token") === "true" ||
      fields.get("access_type") === "offline";
    return Response.json({
      [request.method === "GET" ? "token" : "access_token"]: token,
      expires_in: seconds,
      ...(isOffline && user !== ""
        ? { refresh_token: TOKEN_USER.identityToken }
        : {}),
    });
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port, onListen() {} },
    handle,
  );
  return {
    config: {
      auth: {
        token: {
          realm: `http://127.0.0.1:${port}/token`,
          service: "tests",
          issuer: "tests",
          rootcertbundle: options.cert,
        },
      },
    },
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
