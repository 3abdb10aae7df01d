import { readAnswer } from "./_body.ts";
import { hideSecrets } from "./_hide_secrets.ts";
import { readRetryAfter } from "./_retry.ts";
import { isObject } from "./_is_object.ts";
import type { Sent } from "./_send.ts";
import { RegistryError } from "./registry_error.ts";

const ERROR_LIMIT = 64 * 1024;
const SHOWN = 300;

/** Text from a server, fit to be shown: one line, no control characters, no signed URLs, short. */
function clean(text: string): string {
  // deno-lint-ignore no-control-regex
  const line = hideSecrets(text).replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim();
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line;
}

/** What a storage says of a link that it refuses, such as that it expired; HTML of a proxy in between says nothing that fits into a line. */
function readXml(text: string): string {
  return ["Code", "Message"].flatMap((name) =>
    new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? []
  ).join(": ");
}

function readErrors(text: string): { codes: string[]; detail: string } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return {
      codes: [],
      detail: clean(text.trimStart().startsWith("<") ? readXml(text) : text),
    };
  }
  const errors = isObject(body) && Array.isArray(body.errors)
    ? body.errors.filter(isObject)
    : [];
  const codes = errors.map(({ code }) => code)
    .filter((code) =>
      typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code)
    )
    .map(String);
  const messages = errors.map(({ message }) => message)
    .filter((message) => typeof message === "string")
    .map((message) => clean(String(message)));
  const plain = isObject(body) && errors.length === 0
    ? [body.details, body.message, body.error].find((value) =>
      typeof value === "string"
    )
    : undefined;
  if (typeof plain === "string") messages.push(clean(plain));
  return { codes, detail: clean(messages.join("; ")) };
}

/**
 * Makes the error for a response, from its body as far as it is sane.
 *
 * @param request.isAnonymous Whether nothing is known to log in with, which a refusal tells: it may be that alone.
 */
export async function toRegistryError(
  action: string,
  answer: Sent,
  request: {
    method: string;
    url: URL;
    stallTimeout: number;
    isAnonymous: boolean;
  },
): Promise<RegistryError> {
  const { response } = answer;
  const wait = readRetryAfter(response.headers.get("retry-after"));
  let text = "";
  try {
    text = new TextDecoder().decode(
      await readAnswer(answer, {
        limit: ERROR_LIMIT,
        what: "the error",
        stallTimeout: request.stallTimeout,
      }),
    );
  } catch {
    // The status has to do: the body broke off, or is too large to be an error.
  }
  const how = request.isAnonymous ? " without credentials" : "";
  return new RegistryError(action + how, {
    status: response.status,
    method: request.method,
    // The query may hold signatures of storage servers.
    url: request.url.origin + request.url.pathname,
    retryAfter: wait === undefined ? undefined : Math.ceil(wait / 1000),
    ...readErrors(text),
  });
}

/** Whether a server refused a HEAD: its answer has no body, but the same question by GET tells the reason, or works. */
export function isMute(error: unknown): boolean {
  return error instanceof RegistryError &&
    [400, 401, 403, 405].includes(error.status);
}
