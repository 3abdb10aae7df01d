import { requestBytes } from "./_request_bytes.ts";
import { isObject } from "./_is_object.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { RegistryClient } from "./registry_client.ts";
import type { RegistryRequest } from "./registry_request.ts";

const PAGE_LIMIT = 4 * 1024 * 1024;
const MAX_PAGES = 1000;

/** One page of a list. */
export interface Page {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly response: Response;
}

/** The target of `Link: <url>; rel="next"`, as RFC 8288 has it. */
function nextLink(header: string | null): string | undefined {
  for (
    const [, url, parameters] of header?.matchAll(/<([^>]*)>([^<]*)/g) ?? []
  ) {
    if (/;\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)/i.test(parameters!)) {
      return url;
    }
  }
  return undefined;
}

/** Reads the pages of a list, as long as the registry names a next one. */
export async function* readPages(
  client: RegistryClient,
  registry: string,
  request: RegistryRequest,
): AsyncGenerator<Page> {
  const ask = (request: RegistryRequest) =>
    requestBytes(client, registry, {
      ...request,
      limit: PAGE_LIMIT,
      what: "a list",
    });
  let server = await ask(request);
  for (let page = 1;; page++) {
    const { response, url, bytes } = server;
    let fields: unknown;
    try {
      fields = JSON.parse(new TextDecoder().decode(bytes));
    } catch (cause) {
      throw new SyntaxError(`Cannot ${request.action}: a page is not JSON`, {
        cause,
      });
    }
    if (!isObject(fields)) {
      throw new SyntaxError(
        `Cannot ${request.action}: a page is not a JSON object`,
      );
    }
    yield { fields, response };
    const link = nextLink(response.headers.get("link"));
    if (link === undefined) return;
    const next = URL.parse(link, url);
    if (next === null || next.origin !== url.origin) {
      throw new ProtocolError(request.action, {
        host: url.host,
        why: "the link to the next page leads elsewhere",
      });
    }
    // A proxy for several registries may pass on the link of the one that it asked.
    const namespace = url.searchParams.get("ns");
    if (namespace !== null) next.searchParams.set("ns", namespace);
    if (page === MAX_PAGES || next.href === url.href) {
      throw new RangeError(
        `Cannot ${request.action}: there are more than ${page} pages`,
      );
    }
    server = await ask({ ...request, path: next, server });
  }
}
