import { assertEquals, assertMatch } from "@std/assert";
import { openStore } from "@containerkit/content";
import { type Layer, push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createRegistry } from "@containerkit/distribution/registry";
import { describe, MediaType } from "@containerkit/oci";
import {
  encodeTarHeader,
  type TarHeaderInit,
  TypeFlag,
} from "@containerkit/tar";
import { ckit, need, program, rootTest, tempDir } from "./mod.ts";

type Handler = (request: Request) => Promise<Response>;

interface Bad extends AsyncDisposable {
  /** The reference of the image. */
  readonly reference: string;
  readonly folder: string;
}

const BUSYBOX = "/bin/busybox";

function entry(header: TarHeaderInit, body = new Uint8Array()): Uint8Array[] {
  const padding = new Uint8Array(-body.length & 511);
  return [encodeTarHeader({ ...header, size: body.length }), body, padding];
}

function busyboxEntries(): Uint8Array[] {
  return [
    ...entry({ name: "bin/", typeflag: TypeFlag.DIRECTORY }),
    ...entry(
      { name: "bin/busybox", mode: 0o755 },
      Deno.readFileSync(BUSYBOX),
    ),
  ];
}

/** What somebody else made a layer of: packing refuses it. */
function madeElsewhere(bytes: Uint8Array<ArrayBuffer>): Layer {
  const descriptor = describe(MediaType.Layer, bytes);
  return {
    ...descriptor,
    diffId: descriptor.digest,
    open: () => Promise.resolve(new Blob([bytes]).stream()),
  };
}

/** A registry with one image, whose answers may be changed on their way. */
async function serve(
  parts: readonly Uint8Array[] | Layer,
  change: (handler: Handler) => Handler = (handler) => handler,
): Promise<Bad> {
  const temp = tempDir();
  const store = await openStore({ root: `${temp.path}/origin` });
  const registry = createRegistry({ store });
  let handler: Handler = registry;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => handler(request),
  );
  const reference = `127.0.0.1:${server.addr.port}/image:1`;
  const image = await packImage(store, {
    layers: [
      "diffId" in parts
        ? { layer: parts }
        : { archive: ReadableStream.from([...parts, new Uint8Array(1024)]) },
    ],
    config: { Cmd: ["/bin/busybox", "true"] },
  });
  await push(image, reference);
  handler = change(registry);
  return {
    reference,
    folder: temp.path,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await registry[Symbol.asyncDispose]();
      store[Symbol.dispose]();
      temp[Symbol.dispose]();
    },
  };
}

/** Changes the body of the layer, the largest blob. */
function changeLayer(
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): (handler: Handler) => Handler {
  return (handler) => async (request) => {
    const response = await handler(request);
    const isLayer = request.url.includes("/blobs/") &&
      Number(response.headers.get("content-length")) > 100_000;
    if (!isLayer || request.method !== "GET") return response;
    return new Response(change(await response.bytes()), {
      status: response.status,
      headers: { "docker-content-digest": "" },
    });
  };
}

function changeManifest(
  change: (manifest: Record<string, unknown>) => unknown,
): (handler: Handler) => Handler {
  return (handler) => async (request) => {
    const response = await handler(request);
    if (!request.url.includes("/manifests/")) return response;
    const full = await handler(
      new Request(
        request.url,
        request.method === "HEAD" ? { headers: request.headers } : request,
      ),
    );
    const manifest = change(await full.json()) as { mediaType: string };
    const text = JSON.stringify(manifest);
    const hash = await crypto.subtle.digest(
      "SHA-256",
      new TextEncoder().encode(text),
    );
    return new Response(request.method === "HEAD" ? null : text, {
      headers: {
        "content-type": manifest.mediaType,
        "content-length": String(text.length),
        "docker-content-digest": `sha256:${new Uint8Array(hash).toHex()}`,
      },
    });
  };
}

interface Case {
  readonly name: string;
  readonly expected: RegExp;
  readonly parts?: () => Uint8Array[] | Layer;
  readonly change?: (handler: Handler) => Handler;
  readonly args?: (reference: string) => string[];
  readonly env?: Record<string, string>;
  readonly code?: number;
}

const run = (
  reference: string,
) => ["run", "--rm", "--network", "none", reference];

const CASES: readonly Case[] = [
  {
    name: "an unknown tag",
    args: (reference) => run(reference.replace(/:1$/, ":2")),
    expected: /Cannot .*image.*(not found|404|unknown)/i,
  },
  {
    name: "a reference that is none",
    args: () => run("a//b"),
    expected: /Cannot parse .*"a\/\/b"/,
  },
  {
    name: "a registry that does not answer",
    args: () => run("127.0.0.1:1/image:1"),
    expected: /Cannot .*127\.0\.0\.1:1/,
  },
  {
    name: "a layer with other bytes",
    change: changeLayer((bytes) => {
      bytes[bytes.length - 20]! ^= 1;
      return bytes;
    }),
    expected: /Cannot .*(gzip compression is damaged|found sha256:)/,
  },
  {
    name: "a layer that is cut off",
    change: changeLayer((bytes) => bytes.slice(0, 50_000)),
    expected: /Cannot /,
  },
  {
    name: "a layer that goes on",
    change: changeLayer((bytes) => {
      const longer = new Uint8Array(bytes.length + 10);
      longer.set(bytes);
      return longer;
    }),
    expected: /Cannot /,
  },
  {
    name: "a layer that climbs out",
    parts: () => [
      ...busyboxEntries(),
      ...entry({
        name: "up",
        typeflag: TypeFlag.SYMLINK,
        linkname: "/../../..",
      }),
      ...entry({ name: "up/../../../containerkit-escaped" }),
    ],
    // Paths end at the root: what is written stays inside.
    args: (reference) => [
      ...run(reference),
      "/bin/busybox",
      "test",
      "!",
      "-e",
      "/nothing",
    ],
    expected: /done$/,
    code: 0,
  },
  {
    name: "a hard link to what is outside",
    parts: () => [
      ...busyboxEntries(),
      ...entry({
        name: "passwd",
        typeflag: TypeFlag.LINK,
        linkname: "../../../../etc/passwd",
      }),
    ],
    expected: /Cannot .*passwd/,
  },
  {
    name: "a layer that is no archive",
    parts: () => madeElsewhere(new Uint8Array(4096).fill(65)),
    expected: /Cannot /,
  },
  {
    name: "an unknown media type",
    change: changeManifest((manifest) => ({
      ...manifest,
      mediaType: "application/x-unknown",
    })),
    expected: /application\/x-unknown/,
  },
  {
    name: "no platform that fits",
    args: (reference) => ["pull", "--platform", "linux/s390x", reference],
    expected: /Cannot .*linux\/s390x/,
    code: 1,
  },
  {
    name: "a runtime that is missing",
    args: (reference) => [
      "run",
      "--rm",
      "--network",
      "none",
      "--runtime",
      "no-such-runtime",
      reference,
    ],
    expected: /no-such-runtime/,
  },
  {
    name: "a command that the image does not have",
    args: (reference) => [...run(reference), "/no/such/command"],
    expected: /Cannot .*\/no\/such\/command/,
    code: 127,
  },
  {
    name: "an unknown snapshotter",
    args: (reference) => ["run", "--snapshotter", "zfs", reference],
    expected: /Cannot use snapshotter "zfs": there are overlay/,
  },
  {
    name: "an unknown flag",
    args: (reference) => ["run", "--no-such-flag", reference],
    expected: /--no-such-flag/,
  },
];

for (
  const {
    name,
    expected,
    parts = busyboxEntries,
    change,
    args = run,
    env,
    code = 125,
  } of CASES
) {
  rootTest(`ckit on ${name} says so, and leaves nothing`, async () => {
    await using bad = await serve(parts(), change);
    const output = await ckit(args(bad.reference), {
      folder: bad.folder,
      ...(env === undefined ? {} : { env }),
    });
    assertMatch(output.stderr.trim().split("\n").at(-1) ?? "", expected);
    assertEquals(output.code, code, output.stderr);
    assertEquals(output.stderr.includes("    at "), false, output.stderr);
    for (const kept of ["sandboxes", "containers"]) {
      try {
        assertEquals([...Deno.readDirSync(`${bad.folder}/run/${kept}`)], []);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }, need("runc", "busybox"));
}

rootTest("ckit run without root says so", async () => {
  await using bad = await serve(busyboxEntries());
  await Deno.chmod(bad.folder, 0o755);
  await Deno.mkdir(`${bad.folder}/home`);
  await Deno.chown(`${bad.folder}/home`, 65534, 65534);
  const script = new URL("../examples/ckit/main.ts", import.meta.url).pathname;
  const { code, stderr } = await new Deno.Command(program("setpriv")!, {
    args: [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      Deno.execPath(),
      "run",
      "-A",
      script,
      "--root",
      `${bad.folder}/home/lib`,
      "--state",
      `${bad.folder}/home/run`,
      ...run(bad.reference),
    ],
    env: { NO_COLOR: "1", HOME: `${bad.folder}/home` },
    stdin: "null",
  }).output();
  assertEquals(code, 125);
  assertMatch(
    new TextDecoder().decode(stderr).trim().split("\n").at(-1)!,
    /ckit: Cannot .*root/,
  );
}, need("runc", "busybox", "setpriv"));
