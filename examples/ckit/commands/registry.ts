import {
  copy as copyImage,
  deleteManifest,
  deleteTag,
  listReferrers,
  listRepositories,
  listTags,
  login as proveLogin,
  openRepository,
  parseReference,
} from "@containerkit/distribution";
import {
  createRegistry,
  type RegistryAccess,
} from "@containerkit/distribution/registry";
import { openStore } from "@containerkit/content";
import { formatPlatform } from "@containerkit/oci";
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { openClient, openCredentials, openHosts } from "../client.ts";
import { type Arguments, type Command, UsageError } from "../command.ts";
import { fullName } from "../images.ts";
import { formatSize, withProgress } from "../progress.ts";
import { readStdin } from "../read_stdin.ts";
import { openRegistryIndex } from "../registry_index.ts";
import { gc } from "./registry_gc.ts";

function onlyWord({ words }: Arguments, what: string): string {
  const [word] = words;
  if (word === undefined || words.length !== 1) throw new UsageError(what);
  return word;
}

/** The host that `login` means: a registry, or Docker Hub. */
function registryOf(words: readonly string[]): string {
  return words[0] ?? "docker.io";
}

async function readPassword(signal: AbortSignal): Promise<string> {
  if (!Deno.stdin.isTerminal()) {
    return (await new Response(readStdin(signal)).text()).replace(
      /\r?\n$/,
      "",
    );
  }
  Deno.stderr.writeSync(new TextEncoder().encode("Password: "));
  Deno.stdin.setRaw(true);
  try {
    let text = "";
    for await (const bytes of Deno.stdin.readable) {
      for (const character of new TextDecoder().decode(bytes)) {
        // What ends a line, or by Ctrl-D the input.
        if ("\r\n\x04".includes(character)) return text;
        if (character === "\x03") throw new UsageError("no password was given");
        text = character === "\x7f" ? text.slice(0, -1) : text + character;
      }
    }
    return text;
  } finally {
    Deno.stdin.setRaw(false);
    Deno.stderr.writeSync(new TextEncoder().encode("\n"));
  }
}

const login: Command = {
  name: "login",
  usage: "--username NAME [--password-stdin] [--plain-http] [REGISTRY]",
  summary: "prove a password, read from the standard input, and keep it",
  most: 1,
  // It is what happens anyway.
  booleans: ["plain-http", "password-stdin"],
  strings: ["username"],
  alias: { u: "username" },
  async run(args, { print, signal }) {
    const username = args.string("username");
    if (username === undefined) {
      throw new UsageError("ckit login takes --username");
    }
    const registry = registryOf(args.words);
    const kept = await proveLogin(registry, {
      username,
      password: await readPassword(signal),
    }, { signal, ...openHosts({ plainHttp: args.flag("plain-http") }) });
    await openCredentials().set(registry, kept);
    print(`logged in to ${registry}`);
  },
};

const logout: Command = {
  name: "logout",
  usage: "[REGISTRY]",
  summary: "forget the credentials of a registry",
  most: 1,
  async run({ words }, { print }) {
    const registry = registryOf(words);
    const isFound = await openCredentials().delete(registry);
    print(
      `${
        isFound ? "logged out of" : "there were no credentials for"
      } ${registry}`,
    );
  },
};

const copy: Command = {
  name: "copy",
  usage: "[--platform OS/ARCH]... [--referrers] [--plain-http] FROM TO",
  summary: "copy an image between registries, with all its platforms",
  booleans: ["plain-http", "referrers"],
  lists: ["platform"],
  async run(args, { print, signal }) {
    const [from, to] = args.words;
    if (from === undefined || to === undefined || args.words.length !== 2) {
      throw new UsageError("ckit copy takes two references");
    }
    using client = openClient({ plainHttp: args.flag("plain-http") });
    const platforms = args.list("platform");
    const { digest } = await withProgress((onProgress) =>
      copyImage(from, to, {
        client,
        signal,
        referrers: args.flag("referrers"),
        onProgress,
        ...(platforms.length === 0 ? {} : { platforms }),
      })
    );
    print(`${fullName(to)}@${digest}`);
  },
};

const tags: Command = {
  name: "tags",
  usage: "[--plain-http] REPOSITORY",
  summary: "list the tags of a repository",
  booleans: ["plain-http"],
  async run(args, { print, signal }) {
    const name = onlyWord(args, "ckit tags takes one repository");
    using client = openClient({ plainHttp: args.flag("plain-http") });
    for await (const tag of listTags(name, { client, signal })) print(tag);
  },
};

const catalog: Command = {
  name: "catalog",
  usage: "[--plain-http] REGISTRY",
  summary: "list the repositories of a registry",
  booleans: ["plain-http"],
  async run(args, { print, signal }) {
    const registry = onlyWord(args, "ckit catalog takes one registry");
    using client = openClient({ plainHttp: args.flag("plain-http") });
    for await (const name of listRepositories(registry, { client, signal })) {
      print(name);
    }
  },
};

const referrers: Command = {
  name: "referrers",
  usage: "[--type TYPE] [--plain-http] REF",
  summary: "list signatures and whatever else refers to an image",
  booleans: ["plain-http"],
  strings: ["type"],
  async run(args, { print, signal }) {
    const reference = onlyWord(args, "ckit referrers takes one reference");
    const artifactType = args.string("type");
    using client = openClient({ plainHttp: args.flag("plain-http") });
    const list = listReferrers(reference, {
      client,
      signal,
      ...(artifactType === undefined ? {} : { artifactType }),
    });
    for await (const { digest, artifactType = "-", size } of list) {
      print(`${digest}  ${artifactType}  ${formatSize(size)}`);
    }
  },
};

const inspect: Command = {
  name: "manifest inspect",
  usage: "[--raw] [--plain-http] REF",
  summary: "show what a registry has under a reference, without pulling it",
  booleans: ["plain-http", "raw"],
  async run(args, { print, signal }) {
    const reference = onlyWord(
      args,
      "ckit manifest inspect takes one reference",
    );
    const { tag = "latest", digest } = parseReference(reference);
    using client = openClient({ plainHttp: args.flag("plain-http") });
    const repository = openRepository(reference, { client, signal });
    const descriptor = await repository.resolve(digest ?? tag);
    if (descriptor === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot inspect "${fullName(reference)}": there is no such image`,
      );
    }
    const text = new TextDecoder().decode(await repository.read(descriptor));
    if (args.flag("raw")) return print(text);
    const { manifests = [], layers = [], config } = JSON.parse(text);
    print(`${descriptor.digest}  ${descriptor.mediaType}`);
    for (const { digest, platform, size } of manifests) {
      print(
        `  ${digest}  ${platform ? formatPlatform(platform) : "-"}  ${size} B`,
      );
    }
    for (const { digest, mediaType, size } of [config, ...layers]) {
      if (digest) print(`  ${digest}  ${mediaType}  ${formatSize(size)}`);
    }
  },
};

const remove: Command = {
  name: "delete",
  usage: "[--plain-http] REF",
  summary: "delete a tag from a registry, or a manifest by its digest",
  booleans: ["plain-http"],
  async run(args, { print, signal }) {
    const reference = onlyWord(args, "ckit delete takes one reference");
    const { digest } = parseReference(reference);
    using client = openClient({ plainHttp: args.flag("plain-http") });
    if (digest === undefined) await deleteTag(reference, { client, signal });
    else await deleteManifest(reference, { client, signal });
    print(`deleted ${fullName(reference)}`);
  },
};

/** Lets in one user, of whom the name and the password are known. */
function onlyUser(
  user: string,
  password: string,
): (access: RegistryAccess) => boolean {
  const encoder = new TextEncoder();
  const expected = encoder.encode(`${user}:${password}`);
  return ({ credentials }) => {
    if (credentials === undefined) return false;
    const { username, password } = credentials;
    const given = encoder.encode(`${username}:${password}`);
    return given.length === expected.length &&
      timingSafeEqual(given, expected);
  };
}

const serve: Command = {
  name: "registry serve",
  usage:
    "[--listen HOST:PORT] [--read-only] [--upstream REGISTRY] [--user NAME --password-file FILE] DIR",
  summary: "serve a registry from a folder until it is interrupted",
  booleans: ["read-only"],
  strings: ["listen", "upstream", "user", "password-file"],
  async run(args, { print, warn, signal }) {
    const root = onlyWord(args, "ckit registry serve takes one folder");
    const [, hostname, port] =
      /^(.+):(\d+)$/.exec(args.string("listen") ?? "127.0.0.1:5000") ?? [];
    if (hostname === undefined) {
      throw new UsageError("--listen takes HOST:PORT");
    }
    const user = args.string("user");
    const file = args.string("password-file");
    if ((user === undefined) !== (file === undefined)) {
      throw new UsageError("--user and --password-file go together");
    }
    const upstream = args.string("upstream");
    using client = openClient({ plainHttp: false });
    using store = await openStore({ root });
    await using registry = createRegistry({
      store,
      index: openRegistryIndex(root),
      readOnly: args.flag("read-only"),
      onError: (error) =>
        warn(`ckit: ${error instanceof Error ? error.message : error}`),
      ...(upstream === undefined
        ? {}
        : { upstream: { registry: upstream, client, signal } }),
      ...(user === undefined || file === undefined ? {} : {
        authorize: onlyUser(user, Deno.readTextFileSync(file).trimEnd()),
      }),
    });
    const server = Deno.serve({
      hostname,
      port: Number(port),
      signal,
      onListen: ({ hostname, port }) =>
        print(`serving ${root} on ${hostname}:${port}`),
    }, registry);
    await server.finished;
  },
};

/** What is done with registries besides pulling and pushing. */
export const registry: readonly Command[] = [
  login,
  logout,
  copy,
  tags,
  catalog,
  referrers,
  inspect,
  remove,
  serve,
  gc,
];
