import { assertEquals, assertStringIncludes } from "@std/assert";
import { openStore } from "@containerkit/content";
import { pull, push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createRegistry } from "@containerkit/distribution/registry";
import {
  generateKey,
  keySigner,
  sign,
  verifier,
} from "@containerkit/distribution/sign";
import { TarStream, type TarStreamInput, UntarStream } from "@containerkit/tar";
import { readLayer } from "@containerkit/tar/layer";
import { need, rootTest, tempDir } from "./mod.ts";

const PROGRAM = new URL("../examples/compose.ts", import.meta.url);
const README = new URL("../README.md", import.meta.url);

Deno.test("README's first program is examples/compose.ts, which is type-checked and run", () => {
  const program = Deno.readTextFileSync(PROGRAM);
  assertStringIncludes(
    Deno.readTextFileSync(README),
    program.slice(program.indexOf("import {")),
  );
});

function busyboxLayer(): ReadableStream<Uint8Array> {
  const busybox = Deno.readFileSync("/bin/busybox");
  return ReadableStream.from<TarStreamInput>([
    { type: "directory", path: "bin" },
    {
      type: "file",
      path: "bin/busybox",
      size: busybox.length,
      readable: ReadableStream.from([busybox]),
      options: { mode: 0o755 },
    },
  ]).pipeThrough(new TarStream());
}

rootTest(
  "examples/compose.ts pulls what is signed, runs it, and pushes and signs what it changed",
  async () => {
    await using temp = tempDir();
    using origin = await openStore({ root: `${temp.path}/origin` });
    await using registry = createRegistry({ store: origin });
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      registry,
    );
    const host = `127.0.0.1:${server.addr.port}`;
    const { privateKey, publicKey } = generateKey("ecdsa-p256");
    await Deno.writeTextFile(`${temp.path}/key.pub`, publicKey);
    await Deno.writeTextFile(`${temp.path}/key`, privateKey);
    const image = await packImage(origin, {
      layers: [{ archive: busyboxLayer() }],
      config: { Cmd: ["/bin/busybox", "touch", "/made"] },
    });
    await push(image, `${host}/base:1`);
    const compose = async () =>
      await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          PROGRAM.pathname,
          `${host}/base:1`,
          `${temp.path}/key.pub`,
          `${host}/changed:1`,
          `${temp.path}/key`,
        ],
        env: {
          CONTAINERKIT_ROOT: `${temp.path}/lib`,
          CONTAINERKIT_STATE: `${temp.path}/run`,
          NO_COLOR: "1",
        },
        stdin: "null",
      }).output();

    // Not signed: refused before a layer is fetched.
    const refused = await compose();
    assertEquals(refused.success, false);
    assertEquals(
      [...Deno.readDirSync(`${temp.path}/lib/content/blobs/sha256`)].length <=
        1,
      true,
    );

    await push(
      await sign(image.descriptor, keySigner(privateKey)),
      `${host}/base:1`,
    );
    const { success, stderr } = await compose();
    assertEquals(success, true, new TextDecoder().decode(stderr));
    using store = await openStore({ root: `${temp.path}/check` });
    const changed = await pull(`${host}/changed:1`, store, {
      admit: verifier({ authorities: [{ type: "key", key: publicKey }] }),
    });
    assertEquals(changed.layers.length, 2);
    const { readable } = readLayer(await changed.layers[1]!.open());
    const paths: string[] = [];
    for await (const entry of readable.pipeThrough(new UntarStream())) {
      paths.push(entry.path);
      await entry.readable?.cancel();
    }
    assertEquals(paths.includes("made"), true, paths.join());
  },
  need("runc", "busybox"),
);
