/**
 * The commands of ckit that take images in and out of files and sign them.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { exportArchive } from "@containerkit/distribution/archive";
import { packImage } from "@containerkit/distribution/pack";
import {
  createMemoryStore,
  createRegistry,
} from "@containerkit/distribution/registry";
import { TarStream, type TarStreamInput } from "@containerkit/tar";
import { tempDir } from "./mod.ts";

const MAIN = new URL("../examples/ckit/main.ts", import.meta.url).pathname;

function setUp() {
  const temp = tempDir();
  const registry = createRegistry({ store: createMemoryStore() });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  const ckit = async (...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command(
      Deno.execPath(),
      {
        args: [
          "run",
          "-A",
          "--quiet",
          MAIN,
          "--root",
          `${temp.path}/root`,
          "--state",
          `${temp.path}/state`,
          ...args,
        ],
        cwd: temp.path,
        stdin: "null",
      },
    ).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return {
      success,
      out: decode(stdout),
      text: decode(stdout) + decode(stderr),
    };
  };
  return {
    path: temp.path,
    host: `127.0.0.1:${server.addr.port}`,
    ckit,
    async succeed(...args: string[]) {
      const { success, out, text } = await ckit(...args);
      assertEquals(success, true, text);
      return out;
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await registry[Symbol.asyncDispose]();
      await temp[Symbol.asyncDispose]();
    },
  };
}

async function writeImage(path: string, name: string): Promise<void> {
  const store = createMemoryStore();
  const archive = ReadableStream.from<TarStreamInput>([{
    type: "directory",
    path: "etc",
  }])
    .pipeThrough(new TarStream());
  const { descriptor } = await packImage(store, { layers: [{ archive }] });
  await exportArchive(store, [{ descriptor, names: [name] }])
    .pipeTo((await Deno.create(path)).writable);
}

Deno.test("ckit imports, pushes, signs, verifies, converts and exports an image", async () => {
  await using t = await setUp();
  const name = `${t.host}/team/app:1`;
  await writeImage(`${t.path}/in.tar`, name);
  assertStringIncludes(await t.succeed("import", "in.tar"), name);
  assertEquals(
    await t.succeed("tag", name, "other"),
    "docker.io/library/other:latest\n",
  );
  assertEquals(
    (await t.succeed("images", "-q")).trim().split("\n").toSorted(),
    [
      name,
      "docker.io/library/other:latest",
    ].toSorted(),
  );
  await t.succeed("rmi", "other");
  await t.succeed("push", name);
  await Deno.writeTextFile(`${t.path}/password`, "secret\n");
  await t.succeed("key", "generate", "--password-file", "password", "own");
  assertEquals(
    (await t.succeed("key", "public", "--password-file", "password", "own.key"))
      .trim(),
    (await Deno.readTextFile(`${t.path}/own.pub`)).trim(),
  );
  const unsigned = await t.ckit("verify", "--key", "own.pub", name);
  assertEquals(unsigned.success, false);
  assertStringIncludes(unsigned.text, "there are none");
  for (const format of ["bundle", "cosign"]) {
    await t.succeed(
      "sign",
      "--key",
      "own.key",
      "--password-file",
      "password",
      "--format",
      format,
      "-a",
      "stage=prod",
      name,
    );
    const verified = await t.succeed(
      "verify",
      "--key",
      "own.pub",
      "-a",
      "stage=prod",
      name,
    );
    assertStringIncludes(verified, "own.pub");
  }
  const other = await t.ckit(
    "verify",
    "--key",
    "own.pub",
    "-a",
    "stage=test",
    name,
  );
  assertStringIncludes(other.text, "it does not say stage=test");
  assertStringIncludes(
    await t.succeed(
      "convert",
      "--compression",
      "zstd",
      name,
      "localhost/app:zstd",
    ),
    "compressed by zstd instead of gzip",
  );
  for (const format of ["docker"]) {
    await t.succeed(
      "export",
      "--format",
      format,
      "-o",
      "out.tar",
      "localhost/app:zstd",
    );
    assertStringIncludes(
      await t.succeed("import", "out.tar"),
      "localhost/app:zstd",
    );
  }
  assertEquals(
    (await t.ckit("import", "--key", "own.pub", "out.tar")).success,
    false,
  );
  assertStringIncludes(await t.succeed("images"), "localhost/app:zstd");
});

Deno.test("ckit export leaves a file alone until all of the new one is there", async () => {
  await using t = await setUp();
  await writeImage(`${t.path}/in.tar`, "localhost/app:1");
  await t.succeed("import", "in.tar");
  const blobs = `${t.path}/root/content/blobs/sha256`;
  // The layer is no JSON.
  const blob = Array.from(
    Deno.readDirSync(blobs),
    ({ name }) => `${blobs}/${name}`,
  )
    .find((path) => Deno.readFileSync(path)[0] === 0x1f)!;
  const names = () => Array.from(Deno.readDirSync(t.path), ({ name }) => name);
  await Deno.writeTextFile(`${t.path}/out.tar`, "the last one");
  await t.succeed("export", "-o", "/dev/null", "localhost/app:1");
  await Deno.rename(blob, `${t.path}/kept`);
  const before = names();
  const failed = await t.ckit("export", "-o", "out.tar", "localhost/app:1");
  assertEquals(failed.success, false);
  assertEquals(await Deno.readTextFile(`${t.path}/out.tar`), "the last one");
  assertEquals(names(), before);
  await Deno.rename(`${t.path}/kept`, blob);
  await t.succeed("export", "-o", "out.tar", "localhost/app:1");
  await t.succeed("import", "out.tar");
});

Deno.test("ckit save, load and rmi -f do what Docker's do", async () => {
  await using t = await setUp();
  await writeImage(`${t.path}/in.tar`, "localhost/app:1");
  const loaded = await t.succeed("load", "-i", "in.tar");
  assertStringIncludes(loaded, "localhost/app:1");
  await t.succeed("save", "-o", "out.tar", "localhost/app:1");
  assertEquals(
    await t.succeed("rmi", "-f", "none", "localhost/app:1"),
    "localhost/app:1\n",
  );
  assertEquals((await t.ckit("rmi", "none")).success, false);
  assertEquals(await t.succeed("load", "-i", "out.tar"), loaded);
  // Nothing stands on the standard input.
  assertEquals((await t.ckit("load")).success, false);
});
