import { isObject } from "./_is_object.ts";
import { type EndedProgram, runProgram } from "./_run_program.ts";
import type { Credentials } from "./credentials.ts";

/** A helper that answers nothing for so long, in milliseconds, is ended. */
const TIMEOUT = 60_000;
/** What it may print, in bytes: the list of its servers, which may be many. */
const MAX_OUTPUT = 2 ** 20;
const NOT_FOUND = "credentials not found in native keychain";
/** The user that stands for an identity token. */
const TOKEN_USER = "<token>";

async function run(
  name: string,
  verb: string,
  input: string,
): Promise<string | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(name)) {
    throw new TypeError(
      `Cannot run the credential helper ${
        JSON.stringify(name.slice(0, 80))
      }: it is not the name of one`,
    );
  }
  const program = `docker-credential-${name}`;
  const signal = AbortSignal.timeout(TIMEOUT);
  let ended: EndedProgram;
  try {
    ended = await runProgram(program, {
      args: [verb],
      input,
      limit: MAX_OUTPUT,
      signal,
    });
  } catch (cause) {
    if (signal.aborted) {
      throw new Deno.errors.TimedOut(
        `Cannot ${verb} credentials: "${program}" took longer than ${
          TIMEOUT / 1000
        } s`,
      );
    }
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Deno.errors.NotFound(
      `Cannot run the credential helper "${program}": it is not installed`,
      { cause },
    );
  }
  const { success, code, isTooLong, stdout } = ended;
  if (isTooLong) {
    throw new RangeError(
      `Cannot ${verb} credentials: "${program}" printed more than ${MAX_OUTPUT} bytes`,
    );
  }
  const text = new TextDecoder().decode(stdout);
  if (success) return text;
  if (text.trim() === NOT_FOUND) return undefined;
  // What it printed stays untold: it may hold secrets.
  throw new Error(
    `Cannot ${verb} credentials: "${program}" ended with code ${code}`,
  );
}

/** Asks a helper for the credentials of a server. */
export async function getByHelper(
  name: string,
  server: string,
): Promise<Credentials | undefined> {
  const text = await run(name, "get", server);
  if (text === undefined) return undefined;
  let reply: unknown;
  try {
    reply = JSON.parse(text);
  } catch {
    // What it is stays untold as well.
  }
  if (
    !isObject(reply) || typeof reply.Username !== "string" ||
    typeof reply.Secret !== "string"
  ) {
    throw new SyntaxError(
      `Cannot get credentials: "docker-credential-${name}" gave something else`,
    );
  }
  return reply.Username === TOKEN_USER
    ? { identityToken: reply.Secret }
    : { username: reply.Username, password: reply.Secret };
}

/** Has a helper keep the credentials of a server. */
export async function storeByHelper(
  name: string,
  server: string,
  credentials: Credentials,
): Promise<void> {
  if ("registryToken" in credentials) {
    // It would be taken for an identity token when it is read.
    throw new TypeError(
      `Cannot store credentials: "docker-credential-${name}" has no place for a ready token`,
    );
  }
  const [user, secret] = "username" in credentials
    ? [credentials.username, credentials.password]
    : [TOKEN_USER, credentials.identityToken];
  await run(
    name,
    "store",
    JSON.stringify({ ServerURL: server, Username: user, Secret: secret }),
  );
}

/** Has a helper forget the credentials of a server. */
export async function eraseByHelper(
  name: string,
  server: string,
): Promise<void> {
  await run(name, "erase", server);
}

/** Lists the servers a helper knows. */
export async function listByHelper(name: string): Promise<string[]> {
  const text = await run(name, "list", "");
  try {
    const reply: unknown = JSON.parse(text ?? "{}");
    return isObject(reply) ? Object.keys(reply) : [];
  } catch {
    return [];
  }
}
