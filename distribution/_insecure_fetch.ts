import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { pipeline, Readable } from "node:stream";
import type { HostTls } from "./registry_host.ts";

function toResponse(message: IncomingMessage): Response {
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (let at = 0; at + 1 < message.rawHeaders.length; at += 2) {
    headers.append(message.rawHeaders[at]!, message.rawHeaders[at + 1]!);
  }
  if ([204, 205, 304].includes(status)) {
    message.resume();
    return new Response(null, { status, headers });
  }
  const body = Readable.toWeb(message) as unknown as ReadableStream<Uint8Array>;
  return new Response(body, { status, headers });
}

/**
 * `fetch()` that takes any certificate: fetch itself can only be told so for a whole process, by a flag.
 * Redirects are never followed.
 */
export function insecureFetch(
  url: URL,
  init: RequestInit,
  tls: HostTls,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const body = init.body;
    const sent = request(url, {
      method: init.method ?? "GET",
      headers: Object.fromEntries(new Headers(init.headers)),
      rejectUnauthorized: false,
      agent: false,
      ...(tls.cert === undefined || tls.key === undefined
        ? {}
        : { cert: tls.cert, key: tls.key }),
      ...(init.signal ? { signal: init.signal } : {}),
    }, (message) => resolve(toResponse(message)));
    // As fetch() does: a TypeError for the network, the reason for an abort.
    const fail = (cause: unknown) =>
      reject(
        init.signal?.aborted
          ? init.signal.reason
          : new TypeError("fetch failed", { cause }),
      );
    sent.on("error", fail);
    if (body instanceof ReadableStream) {
      const source = Readable.fromWeb(
        body as Parameters<typeof Readable.fromWeb>[0],
      );
      // Whatever ends the request lets go of what it would still send.
      pipeline(source, sent, (error) => error && fail(error));
      return;
    }
    if (body instanceof Uint8Array) {
      sent.setHeader("content-length", body.length);
    } else if (typeof body === "string") {
      sent.setHeader("content-length", new TextEncoder().encode(body).length);
    }
    sent.end(body);
  });
}
