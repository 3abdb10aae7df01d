/**
 * Credentials in the files of Docker and Podman.
 *
 * @module
 */

import { dirname } from "@std/path/posix/dirname";
import {
  eraseByHelper,
  getByHelper,
  listByHelper,
  storeByHelper,
} from "./_credential_helper.ts";
import { isObject } from "./_is_object.ts";
import { Locks } from "./_locks.ts";
import type { CredentialStore } from "./credential_store.ts";
import type { Credentials } from "./credentials.ts";

type Fields = Readonly<Record<string, unknown>>;

const FILE_LIMIT = 4 * 1024 * 1024;
/** What Docker calls its own registry. */
const HUB_KEY = "https://index.docker.io/v1/";
const HUB_NAMES: readonly string[] = [
  "index.docker.io",
  "registry-1.docker.io",
];

/** The registry, or registry and path, that a key of a file is for. */
function normalize(key: string): string {
  const text = key.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  // A key with a scheme, or with the API's path, is for the host: the path is no repository.
  const name = key.includes("://") || /\/v[12]$/.test(text)
    ? text.split("/")[0]!
    : text;
  const [host = "", ...path] = name.split("/");
  return [HUB_NAMES.includes(host) ? "docker.io" : host, ...path].join("/");
}

/** What helpers and Docker's files call a registry. */
function serverOf(name: string): string {
  return name === "docker.io" ? HUB_KEY : name;
}

/** The names that may hold the credentials of a repository, the most exact first. */
function namesFor(registry: string, repository = ""): string[] {
  const path = repository === "" ? [] : repository.split("/");
  const exact = [...path.keys()].reverse().map((count) =>
    [registry, ...path.slice(0, count + 1)].join("/")
  );
  // `*.example.com` is for all hosts of a domain.
  const labels = registry.split(".");
  const suffixes = labels.slice(1).map((_, at) =>
    `*.${labels.slice(at + 1).join(".")}`
  );
  return [...exact, registry, ...suffixes];
}

function find<T>(
  table: unknown,
  names: readonly string[],
): { key: string; value: T } | undefined {
  if (!isObject(table)) return undefined;
  for (const name of names) {
    const key = Object.keys(table).find((key) => normalize(key) === name);
    if (key !== undefined) return { key, value: table[key] as T };
  }
  return undefined;
}

function decode(entry: unknown): Credentials | undefined {
  if (!isObject(entry)) return undefined;
  const { auth, username, password, identitytoken, registrytoken } = entry;
  if (typeof registrytoken === "string" && registrytoken !== "") {
    return { registryToken: registrytoken };
  }
  if (typeof identitytoken === "string" && identitytoken !== "") {
    return { identityToken: identitytoken };
  }
  if (typeof auth === "string" && auth !== "") {
    let text: string;
    try {
      text = new TextDecoder().decode(Uint8Array.fromBase64(auth))
        // Some tools pad with these.
        .replace(/\0+$/, "");
    } catch {
      return undefined;
    }
    const colon = text.indexOf(":");
    if (colon === -1) return undefined;
    return { username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  return typeof username === "string" && typeof password === "string"
    ? { username, password }
    : undefined;
}

function encode(credentials: Credentials): Record<string, string> {
  if ("registryToken" in credentials) {
    return { registrytoken: credentials.registryToken };
  }
  if ("identityToken" in credentials) {
    return { identitytoken: credentials.identityToken };
  }
  const { username, password } = credentials;
  if (username.includes(":")) {
    throw new TypeError("Cannot keep credentials: the user's name has a colon");
  }
  return {
    auth: new TextEncoder().encode(`${username}:${password}`).toBase64(),
  };
}

/** Options of {@linkcode credentialFiles}. */
export interface CredentialFilesOptions {
  /**
   * A `config.json` as text, which is asked before the files and never changed: what CI keeps in the environment variable
   * `DOCKER_AUTH_CONFIG`. Empty text is none.
   */
  readonly config?: string | undefined;
}

function parseConfig(text: string, what: string): Fields {
  let config: unknown;
  try {
    config = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    // The parser's message would quote the text.
  }
  if (!isObject(config)) {
    throw new SyntaxError(`Cannot read ${what}: it is not a JSON object`);
  }
  return config;
}

async function readConfig(path: string): Promise<Fields | undefined> {
  let text: string;
  try {
    if ((await Deno.stat(path)).size > FILE_LIMIT) {
      throw new RangeError(
        `Cannot read "${path}": it is larger than ${FILE_LIMIT} bytes`,
      );
    }
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return parseConfig(text, `"${path}"`);
}

async function writeConfig(link: string, config: Fields): Promise<void> {
  // Some keep their settings elsewhere, and a link to them here.
  const path = await Deno.realPath(link).catch(() => link);
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(
      temporary,
      `${JSON.stringify(config, null, "\t")}\n`,
      { createNew: true, mode: 0o600 },
    );
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

async function findIn(
  config: Fields,
  names: readonly string[],
): Promise<Credentials | undefined> {
  const registry = names.find((name) => !name.includes("/"))!;
  const helper = find<unknown>(config.credHelpers, names);
  if (typeof helper?.value === "string" && helper.value !== "") {
    return await getByHelper(helper.value, serverOf(registry));
  }
  const entry = find<unknown>(config.auths, names);
  if (typeof config.credsStore === "string" && config.credsStore !== "") {
    const found = await getByHelper(config.credsStore, serverOf(registry));
    if (found !== undefined) return found;
  }
  return decode(entry?.value);
}

/** The helper that keeps the credentials of a name, if one does. */
function helperFor(config: Fields, name: string): string | undefined {
  const registry = name.split("/")[0]!;
  const own = find<unknown>(config.credHelpers, [name, registry])?.value;
  const helper = own ?? config.credsStore;
  return typeof helper === "string" && helper !== "" ? helper : undefined;
}

/**
 * Keeps credentials in the files that Docker (`config.json`) and Podman (`auth.json`) keep theirs in, and asks the credential
 * helpers that are named there. Keys may name repositories (`quay.io/team/app`) and domains (`*.example.com`).
 *
 * Requires `--allow-read` of the files, `--allow-write` to change the first, and `--allow-run` of the helpers.
 *
 * @param paths The files, the first one first; changes go to it. None has to exist.
 * @param options What is known besides the files.
 * @returns The store.
 *
 * @example Usage
 * ```ts
 * import { credentialFiles } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir();
 * const store = credentialFiles([`${folder}/config.json`]);
 * await store.set("localhost:5000", { username: "me", password: "secret" });
 * assertEquals(await store.get({ registry: "localhost:5000" }), {
 *   username: "me",
 *   password: "secret",
 * });
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export function credentialFiles(
  paths: readonly string[],
  options: CredentialFilesOptions = {},
): CredentialStore {
  const [first] = paths;
  if (first === undefined) {
    throw new TypeError(
      "Cannot keep credentials: there is no file to keep them in",
    );
  }
  // Each change writes what it has read: two at once would undo each other.
  const locks = new Locks();
  async function* readAll() {
    yield parseConfig(
      options.config ?? "",
      "the config.json that is given as text, such as DOCKER_AUTH_CONFIG",
    );
    for (const path of paths) {
      const config = await readConfig(path);
      if (config !== undefined) yield config;
    }
  }
  return {
    async get({ registry, repository }) {
      const names = namesFor(normalize(registry), repository);
      for await (const config of readAll()) {
        const found = await findIn(config, names);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    set: (name, credentials) =>
      locks.run(first, async () => {
        const config = await readConfig(first) ?? {};
        const plain = normalize(name);
        const key = serverOf(plain);
        const helper = helperFor(config, plain);
        if (helper !== undefined) await storeByHelper(helper, key, credentials);
        const auths = isObject(config.auths) ? { ...config.auths } : {};
        const old = find(auths, [plain])?.key;
        if (old !== undefined) delete auths[old];
        // With a helper the file says only that there is something.
        auths[key] = helper === undefined ? encode(credentials) : {};
        await writeConfig(first, { ...config, auths });
      }),
    async delete(name) {
      const plain = normalize(name);
      let isFound = false;
      for (const path of paths) {
        await locks.run(path, async () => {
          const config = await readConfig(path);
          if (config === undefined) return;
          const helper = helperFor(config, plain);
          if (helper !== undefined) {
            await eraseByHelper(helper, serverOf(plain));
          }
          const key = find(config.auths, [plain])?.key;
          if (key === undefined) return;
          const auths = { ...config.auths as Record<string, unknown> };
          delete auths[key];
          await writeConfig(path, { ...config, auths });
          isFound = true;
        });
      }
      return isFound;
    },
    async list() {
      const names = new Set<string>();
      for await (const config of readAll()) {
        const keys = isObject(config.auths) ? Object.keys(config.auths) : [];
        const helped = isObject(config.credHelpers)
          ? Object.keys(config.credHelpers)
          : [];
        const stored = typeof config.credsStore === "string" &&
            config.credsStore !== ""
          ? await listByHelper(config.credsStore)
          : [];
        for (const key of [...keys, ...helped, ...stored]) {
          names.add(normalize(key));
        }
      }
      return [...names].toSorted();
    },
  };
}
