import { channel } from "node:diagnostics_channel";
import { LONGEST_TIMER } from "./_delay.ts";
import type { Dial } from "./_dial.ts";
import { hideSecrets } from "./_hide_secrets.ts";
import { isOfBytes } from "./_open_body.ts";
import { NetworkError } from "./network_error.ts";

const events = channel("containerkit:registry");

const NAME_REGEXP = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE_REGEXP = /^[\t\x20-\x7e\x80-\xff]*$/;

/** One request as it goes over the wire. */
export interface Sending {
  /** What is being done, for errors. */
  readonly action: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?:
    | Uint8Array<ArrayBuffer>
    | string
    | (() => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>)
    | undefined;
  /** How long to wait for the answer's head, in milliseconds, from the last byte that was sent on. */
  readonly timeout: number;
  /** How the server is reached, if that may not take as long as the answer. */
  readonly dial?: Dial | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body is still to come. */
export interface Sent {
  readonly response: Response;
  /** Ends the body. */
  abort(reason: unknown): void;
}

/**
 * Sends one request, and publishes how it went. Redirects are not followed.
 *
 * @throws {TypeError} If a header cannot be sent.
 * @throws {NetworkError} If the server cannot be reached, or breaks off.
 * @throws {Deno.errors.TimedOut} If it does not answer.
 */
export async function send(
  fetch: (url: URL, init: RequestInit) => Promise<Response>,
  url: URL,
  { action, method, headers, timeout, dial, ...sending }: Sending,
): Promise<Sent> {
  for (const [name, value] of Object.entries(headers)) {
    // fetch() would quote either, and it may be a token.
    if (!NAME_REGEXP.test(name)) {
      throw new TypeError(
        `Cannot ${action}: the name of a header has characters that none may have`,
      );
    }
    if (!VALUE_REGEXP.test(value.trim())) {
      throw new TypeError(
        `Cannot ${action}: the value of the header "${name}" has characters that none may have`,
      );
    }
  }
  const given = typeof sending.body === "function"
    ? await sending.body()
    : sending.body;
  if (sending.signal?.aborted) {
    // Nobody would take it any more.
    if (given instanceof ReadableStream) await given.cancel();
    sending.signal.throwIfAborted();
  }
  const controller = new AbortController();
  const expect = (what: string, ms: number) =>
    setTimeout(() =>
      controller.abort(
        new Deno.errors.TimedOut(
          `Cannot ${action}: ${url.host} ${what} within ${ms / 1000} s`,
        ),
      ), Math.min(ms, LONGEST_TIMER));
  let timer = dial === undefined
    ? expect("did not answer", timeout)
    : expect("could not be reached", dial.timeout);
  let isAnswered = false;
  const proceed = () => {
    // An answer may come before the end of the body: nothing is late then.
    if (isAnswered) return;
    clearTimeout(timer);
    timer = expect("did not answer", timeout);
  };
  const dialing = new AbortController();
  // Where it cannot connect, a proxy may: the answer tells.
  dial?.connect(dialing.signal).then(proceed, () => {});
  const body = given instanceof ReadableStream && !isOfBytes(given)
    ? watch(given, proceed)
    : given;
  const start = performance.now();
  const publish = (outcome: { status?: number; error?: string }) => {
    if (!events.hasSubscribers) return;
    events.publish({
      method,
      // A query may hold what nobody but the server may see.
      url: url.origin + url.pathname,
      ms: performance.now() - start,
      ...outcome,
    });
  };
  try {
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      redirect: "manual",
      signal: sending.signal === undefined
        ? controller.signal
        : AbortSignal.any([sending.signal, controller.signal]),
    });
    publish({ status: response.status });
    return { response, abort: (reason) => controller.abort(reason) };
  } catch (error) {
    publish({ error: error instanceof Error ? error.name : "Error" });
    sending.signal?.throwIfAborted();
    if (!(error instanceof TypeError)) throw error;
    // Without its cause, which quotes the whole URL.
    throw new NetworkError(action, {
      host: url.host,
      why: `${url.host} cannot be reached: ${reasonOf(error)}`,
    });
  } finally {
    isAnswered = true;
    clearTimeout(timer);
    dialing.abort();
  }
}

/** Passes a body on, and tells of each chunk: as long as some go, nothing is late. */
function watch(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  onChunk: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      onChunk();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** The innermost reason in words; fetch wraps it in the URL, whose query may hold secrets. */
function reasonOf(error: Error): string {
  let text = error.message;
  for (
    let cause = error.cause;
    cause instanceof Error;
    cause = cause.cause
  ) text = cause.message;
  // What rustls calls an answer that is no TLS.
  if (text.includes("InvalidContentType")) {
    return "it does not speak TLS; plain http is asked for by `plainHttp`, or by an http:// URL in hosts.toml";
  }
  return hideSecrets(
    text.replace(/^error sending request for url \(\S*\): /, ""),
  );
}
