import { refuseForeign, refuseTarget } from "./_address.ts";
import type { Endpoint } from "./_endpoint.ts";
import { showUrl } from "./_hide_secrets.ts";
import { isRead } from "./_is_read.ts";
import { send } from "./_send.ts";
import type { WarningReader } from "./_warnings.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { RegistryAnswer, RegistryRequest } from "./registry_request.ts";

const MAX_REDIRECTS = 10;

/** Sends once, and follows redirects. */
export async function sendRedirected(
  endpoint: Endpoint,
  index: number,
  { request, authorize, userAgent, warnings }: {
    request: RegistryRequest;
    authorize: (url: URL) => Promise<string | undefined>;
    userAgent: string | undefined;
    warnings: WarningReader;
  },
): Promise<RegistryAnswer> {
  const { method = "GET" } = request;
  let url = typeof request.path === "string"
    ? new URL(request.path, endpoint.base)
    : new URL(request.path);
  if (endpoint.namespace !== undefined && typeof request.path === "string") {
    url.searchParams.set("ns", endpoint.namespace);
  }
  // Deno's fetch() reads files as well.
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(
      `Cannot ${request.action}: "${url.protocol}" is neither http nor https`,
    );
  }
  for (let hops = 0;; hops++) {
    const isOwn = url.origin === endpoint.base.origin;
    const authorization = await authorize(url);
    const headers: Record<string, string> = {
      // Deno would decode the body, and the digest is of the bytes as they are stored.
      "accept-encoding": "identity",
      "user-agent": userAgent ?? "containerkit",
      ...(isOwn && !request.anonymous ? endpoint.headers : {}),
      ...request.headers,
      ...(authorization === undefined ? {} : { authorization }),
    };
    const sent = await send((url, init) => endpoint.fetch(url, init), url, {
      action: request.action,
      method,
      headers,
      body: request.body,
      // The end of an upload may wait for the server to hash or move what was sent.
      timeout: isRead(request) ? endpoint.timeout : endpoint.timeout * 10,
      dial: isOwn ? endpoint.dial : undefined,
      signal: request.signal,
    });
    const { response } = sent;
    warnings.read(url.host, response.headers);
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || !location) {
      return { ...sent, url, index };
    }
    await response.body?.cancel();
    const next = URL.parse(location, url);
    const why = hops === MAX_REDIRECTS
      ? `there are more than ${MAX_REDIRECTS} redirects`
      : next === null
      ? "it is not a URL"
      : !isRead(request) && response.status < 307
      ? `a ${method} would become a GET`
      : await (request.anonymous ? refuseForeign : refuseTarget)(url, next);
    if (why !== undefined) {
      throw new ProtocolError(request.action, {
        host: url.host,
        why: `${url.host} redirects${
          next === null ? "" : ` to ${JSON.stringify(showUrl(next))}`
        }, which is refused: ${why}`,
      });
    }
    url = next!;
  }
}
