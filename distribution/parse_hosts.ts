/**
 * hosts.toml, as containerd has it.
 *
 * @module
 */

import { parse } from "@std/toml/parse";
import { hideSecrets } from "./_hide_secrets.ts";
import { isObject } from "./_is_object.ts";
import { isOrigin, ownBase } from "./_origin.ts";
import type { HostCapability, HostTls, RegistryHost } from "./registry_host.ts";

/** Options of {@linkcode parseHosts}. */
export interface ParseHostsOptions {
  /** The registry that the file is for; it comes last unless the file names another `server`. */
  readonly registry: string;
  /**
   * What the file is called in errors.
   *
   * @default {"hosts.toml"}
   */
  readonly path?: string;
  /** Reads a certificate or key; a relative path is relative to the file. */
  readonly readFile: (path: string) => Promise<string>;
}

const CAPABILITIES: readonly HostCapability[] = [
  "pull",
  "resolve",
  "push",
  "referrers",
];
const TLS_KEYS: readonly string[] = ["ca", "client", "skip_verify"];
const KEYS: readonly string[] = [
  ...TLS_KEYS,
  "capabilities",
  "override_path",
  "dial_timeout",
  "header",
];
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const DURATION_REGEXP = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;

type Table = Readonly<Record<string, unknown>>;

class Reader {
  readonly #options: ParseHostsOptions;

  constructor(options: ParseHostsOptions) {
    this.#options = options;
  }

  fail(why: string): never {
    throw new SyntaxError(
      `Cannot parse "${this.#options.path ?? "hosts.toml"}": ${
        hideSecrets(why)
      }`,
    );
  }

  read(text: string): Table {
    try {
      return parse(text);
    } catch (cause) {
      const { message } = cause as Error;
      // The rest quotes the line, which may be a header with a password.
      const place = /^Parse error on (line \d+, column \d+)/.exec(message)?.[1];
      return this.fail(
        place === undefined ? "it is not TOML" : `it is not TOML at ${place}`,
      );
    }
  }

  async host(name: string, table: Table): Promise<RegistryHost> {
    for (const key of Object.keys(table)) {
      if (!KEYS.includes(key)) this.fail(`"${key}" is not known`);
    }
    const url = URL.parse(name.includes("://") ? name : `https://${name}`);
    if (url === null || !/^https?:$/.test(url.protocol)) {
      return this.fail(`"${name}" is not a URL of http or https`);
    }
    const path = url.pathname.replace(/\/+$/, "");
    const isPath = this.#boolean(table, "override_path");
    url.pathname = isPath || path.endsWith("/v2") ? `${path}/` : `${path}/v2/`;
    const tls = await this.#tls(table);
    const { capabilities, header, dial_timeout: dial } = table;
    const timeout = dial === undefined ? undefined : this.#duration(dial);
    return {
      url: url.href,
      ...(capabilities === undefined
        ? {}
        : { capabilities: this.#capabilities(capabilities) }),
      ...(header === undefined ? {} : { headers: this.#headers(header) }),
      ...(tls === undefined ? {} : { tls }),
      ...(timeout === undefined ? {} : { timeout }),
    };
  }

  strings(value: unknown, key: string): string[] {
    const list = Array.isArray(value) ? value : [value];
    if (list.some((item) => typeof item !== "string")) {
      this.fail(`"${key}" is neither a string nor a list of strings`);
    }
    return list as string[];
  }

  #boolean(table: Table, key: string): boolean | undefined {
    const value = table[key];
    if (value === undefined || typeof value === "boolean") return value;
    return this.fail(`"${key}" is not true or false`);
  }

  #capabilities(value: unknown): HostCapability[] {
    const list = this.strings(value, "capabilities") as HostCapability[];
    for (const name of list) {
      if (!CAPABILITIES.includes(name)) {
        this.fail(`the capability "${name}" is not known`);
      }
    }
    return list;
  }

  #headers(value: unknown): Record<string, string> {
    if (!isObject(value)) return this.fail('"header" is not a table');
    return Object.fromEntries(
      Object.entries(value).map((
        [name, text],
      ) => [name, this.strings(text, name).join(", ")]),
    );
  }

  /** A duration of Go, such as `1m30s`; one of 0 is none, as there. */
  #duration(value: unknown): number | undefined {
    const text = typeof value === "string" ? value : "";
    const parts = [...text.matchAll(DURATION_REGEXP)];
    const isAll = parts.map(([part]) => part).join("") === text;
    if (parts.length === 0 || !isAll) {
      this.fail('"dial_timeout" is no duration such as "5s"');
    }
    return parts.reduce(
      (sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!,
      0,
    ) || undefined;
  }

  async #tls(table: Table): Promise<HostTls | undefined> {
    const { ca, client } = table;
    const skip = this.#boolean(table, "skip_verify");
    if (ca === undefined && client === undefined && skip === undefined) {
      return undefined;
    }
    const { readFile } = this.#options;
    const authorities = ca === undefined
      ? []
      : await Promise.all(this.strings(ca, "ca").map(readFile));
    return {
      ...(authorities.length === 0 ? {} : { ca: authorities }),
      ...(client === undefined ? {} : await this.#client(client)),
      ...(skip === undefined ? {} : { skipVerify: skip }),
    };
  }

  /**
   * A file with certificate and key, or a list of such files or of pairs of files, where a key of "" is in the file
   * of the certificate. One certificate is all that a connection can show: the first counts.
   */
  async #client(value: unknown): Promise<{ cert: string; key: string }> {
    const pairs = (Array.isArray(value) ? value : [value]).map((item) =>
      this.strings(item, "client")
    );
    const [cert, key = ""] = pairs[0] ?? [];
    if (cert === undefined) this.fail('"client" names no file');
    const { readFile } = this.#options;
    const text = await readFile(cert!);
    return { cert: text, key: key === "" ? text : await readFile(key) };
  }
}

/**
 * Parses a hosts.toml. What it does not know it refuses: a mirror that is passed over because of a typing error
 * goes unnoticed for long.
 *
 * @param text The file.
 * @param options The registry, and how further files are read.
 * @returns The hosts in the order they are tried; the server comes last.
 * @throws {SyntaxError} If it cannot be read.
 *
 * @see https://github.com/containerd/containerd/blob/main/docs/hosts.md
 *
 * @example Usage
 * ```ts
 * import { parseHosts } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * const hosts = await parseHosts(
 *   '[host."https://mirror.example.com"]\ncapabilities = ["pull", "resolve"]\n',
 *   { registry: "docker.io", readFile: Deno.readTextFile },
 * );
 * assertEquals(hosts.map(({ url }) => url), [
 *   "https://mirror.example.com/v2/",
 *   "https://registry-1.docker.io/v2/",
 * ]);
 * ```
 */
export async function parseHosts(
  text: string,
  options: ParseHostsOptions,
): Promise<RegistryHost[]> {
  const reader = new Reader(options);
  const { server, host = {}, ...rest } = reader.read(text);
  if (server !== undefined && typeof server !== "string") {
    reader.fail('"server" is not a string');
  }
  if (!isObject(host)) return reader.fail('"host" is not a table');
  const hosts: RegistryHost[] = [];
  for (const [name, table] of Object.entries(host)) {
    if (!isObject(table)) return reader.fail(`"host.${name}" is not a table`);
    hosts.push(await reader.host(name, table));
  }
  const hasTls = TLS_KEYS.some((key) => key in rest);
  const own = await reader.host(
    typeof server === "string" && server !== ""
      ? server
      : ownBase(options.registry, { isPlain: hasTls ? false : undefined }),
    rest,
  );
  // A server that is listed as a host too has its settings there.
  if (!hosts.some(({ url }) => url === own.url)) hosts.push(own);
  return hosts.map((host) =>
    host.url === own.url && !isOrigin(options.registry, host)
      ? { ...host, isOrigin: true }
      : host
  );
}
