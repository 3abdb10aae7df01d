import type { RegistryNotice } from "./registry_client_options.ts";

const MAX_LENGTH = 4096;
const MAX_KEPT = 1000;
const WARNING_REGEXP = /\b299 \S+ "((?:[^"\\]|\\.)*)"/g;

/** Tells of `Warning` headers (RFC 7234) and of rate limits, each once. */
export class WarningReader {
  readonly #seen = new Set<string>();
  readonly #tell: ((notice: RegistryNotice) => void) | undefined;

  constructor(tell: ((notice: RegistryNotice) => void) | undefined) {
    this.#tell = tell;
  }

  read(host: string, headers: Headers): void {
    if (this.#tell === undefined) return;
    const warning = headers.get("warning");
    for (
      const [, text] of warning?.slice(0, MAX_LENGTH)
        .matchAll(WARNING_REGEXP) ?? []
    ) {
      this.#report({
        host,
        kind: "warning",
        // deno-lint-ignore no-control-regex
        text: text!.replace(/\\(.)/g, "$1").replace(/[\x00-\x1f\x7f]/g, " "),
      });
    }
    const left = /^(\d+)/.exec(headers.get("ratelimit-remaining") ?? "")?.[1];
    const limit = /^(\d+)/.exec(headers.get("ratelimit-limit") ?? "")?.[1];
    // Only when it is nearly used up: a user can do something about it then.
    if (
      left !== undefined && limit !== undefined &&
      Number(left) * 10 <= Number(limit)
    ) {
      this.#report({
        host,
        kind: "rate-limit",
        text: `${left} of ${limit} requests are left`,
      });
    }
  }

  #report(notice: RegistryNotice): void {
    const key = `${notice.host} ${
      notice.kind === "warning" ? notice.text : notice.kind
    }`;
    if (this.#seen.has(key) || this.#seen.size >= MAX_KEPT) return;
    this.#seen.add(key);
    this.#tell!(notice);
  }
}
