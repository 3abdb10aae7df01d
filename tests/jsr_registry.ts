/** A registry on loopback that takes what `deno publish` uploads and serves it as JSR would. */
export interface JsrRegistry extends AsyncDisposable {
  /** What `JSR_URL` has to be. */
  readonly url: string;
  /** The packages published so far, as `@scope/name@version`. */
  readonly published: readonly string[];
}

interface Meta {
  scope: string;
  name: string;
  latest: string;
  versions: Record<string, unknown>;
}

const PACKAGE_REGEXP =
  /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/;
const TYPES: Readonly<Record<string, string>> = {
  json: "application/json",
  js: "text/javascript",
  ts: "application/typescript",
};

function listFiles(root: string, base = ""): string[] {
  return [...Deno.readDirSync(`${root}${base}`)].flatMap((entry) =>
    entry.isDirectory
      ? listFiles(root, `${base}/${entry.name}`)
      : [`${base}/${entry.name}`]
  );
}

async function checksum(path: string): Promise<string> {
  const data = await Deno.readFile(path);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return `sha256-${sum.toHex()}`;
}

/** Stores one upload: the files, and the two documents that JSR makes of them. */
async function store(
  folder: string,
  upload: { scope: string; name: string; version: string; config: string },
  body: ReadableStream<Uint8Array>,
): Promise<void> {
  const { scope, name, version } = upload;
  const root = `${folder}/@${scope}/${name}`;
  const target = `${root}/${version}`;
  await Deno.mkdir(target, { recursive: true });
  const tar = new Deno.Command("tar", {
    args: ["-xz", "-C", target],
    stdin: "piped",
  }).spawn();
  await body.pipeTo(tar.stdin);
  if (!(await tar.status).success) throw new Error("Cannot unpack the upload");
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const path of listFiles(target)) {
    manifest[path] = {
      size: Deno.statSync(`${target}${path}`).size,
      checksum: await checksum(`${target}${path}`),
    };
  }
  const { exports } = JSON.parse(
    await Deno.readTextFile(`${target}${upload.config}`),
  );
  await Deno.writeTextFile(
    `${root}/${version}_meta.json`,
    JSON.stringify({
      manifest,
      exports: typeof exports === "string" ? { ".": exports } : exports,
    }),
  );
  const meta: Meta = { scope, name, latest: version, versions: {} };
  meta.versions[version] = {};
  await Deno.writeTextFile(`${root}/meta.json`, JSON.stringify(meta));
}

/** Reads a file of the package registry behind this one, by file or by network. */
async function upstream(path: string): Promise<Response> {
  const base = Deno.env.get("JSR_URL") ?? "https://jsr.io/";
  if (!base.startsWith("file:")) return await fetch(new URL(`.${path}`, base));
  try {
    return new Response(await Deno.readFile(new URL(`.${path}`, base)));
  } catch {
    return new Response("not found", { status: 404 });
  }
}

/**
 * Starts the registry. What it was not given it looks up where the machine finds JSR.
 *
 * @param folder Where uploads are kept.
 */
export function startJsrRegistry(folder: string): JsrRegistry {
  const published: string[] = [];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      const [, scope = "", name = "", version] =
        PACKAGE_REGEXP.exec(pathname) ?? [];
      if (version !== undefined && request.method === "POST") {
        const config = searchParams.get("config") ?? "/deno.json";
        await store(folder, { scope, name, version, config }, request.body!);
        published.push(`@${scope}/${name}@${version}`);
        return Response.json({
          id: crypto.randomUUID(),
          status: "success",
          error: null,
          packageScope: scope,
          packageName: name,
          packageVersion: version,
        });
      }
      if (scope !== "" && version === undefined) {
        return Response.json({
          scope,
          name,
          description: "",
          runtimeCompat: {},
          githubRepository: null,
        });
      }
      const headers = {
        "content-type": TYPES[pathname.split(".").at(-1)!] ?? "text/plain",
      };
      try {
        return new Response(
          await Deno.readFile(`${folder}${decodeURIComponent(pathname)}`),
          { headers },
        );
      } catch {
        const response = await upstream(pathname);
        return new Response(response.body, {
          status: response.status,
          headers,
        });
      }
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    published,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
