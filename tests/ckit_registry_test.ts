/**
 * ckit against registries, one of which it serves itself.
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { push, RegistryClient } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createMemoryStore } from "@containerkit/distribution/registry";
import { TarStream, type TarStreamInput } from "@containerkit/tar";
import { runProgram, tempDir } from "./mod.ts";

const MAIN = new URL("../examples/ckit/main.ts", import.meta.url).pathname;

Deno.test("ckit serves a registry, logs in, pulls, pushes, copies, lists, inspects and deletes", async () => {
  using temp = tempDir();
  await Deno.writeTextFile(`${temp.path}/password`, "s3cret\n");
  const env = { HOME: temp.path, DOCKER_CONFIG: "", XDG_RUNTIME_DIR: "" };
  const base = ["run", "-A", "--quiet", "--no-check", MAIN];
  const ckit = (args: readonly string[], input?: string) =>
    runProgram(Deno.execPath(), [...base, ...args], {
      env,
      ...(input === undefined ? {} : { input }),
    });
  const server = new Deno.Command(Deno.execPath(), {
    args: [
      ...base,
      ..."registry serve --listen 127.0.0.1:0 --user me --password-file"
        .split(" "),
      `${temp.path}/password`,
      `${temp.path}/registry`,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    env,
  }).spawn();
  const text = server.stdout.pipeThrough(new TextDecoderStream());
  try {
    const lines = text.getReader();
    const { value = "" } = await lines.read();
    const host = /on (\S+)/.exec(value)![1]!;
    lines.releaseLock();
    const image = await packImage(createMemoryStore(), {
      layers: [1, 2].map((number) => ({
        archive: ReadableStream.from<TarStreamInput>([
          { type: "directory", path: `folder-${number}` },
        ]).pipeThrough(new TarStream()),
      })),
    });
    const { digest } = image.descriptor;
    using client = new RegistryClient({
      credentials: () => ({ username: "me", password: "s3cret" }),
    });
    await push(image, `${host}/app:1`, { client });

    await assertRejects(() => ckit(["tags", `${host}/app`]), Error, "401");
    await assertRejects(
      () => ckit(["login", "-u", "me", host], "wrong\n"),
      Error,
      "401",
    );
    await ckit(["login", "-u", "me", "--password-stdin", host], "s3cret\n");
    const copied = await ckit(["copy", `${host}/app:1`, `${host}/other:2`]);
    assertEquals(copied, `${host}/other:2@${digest}\n`);
    assertEquals(await ckit(["tags", `${host}/other`]), "2\n");
    assertEquals(await ckit(["catalog", host]), "app\nother\n");
    assertEquals(
      await ckit(["manifest", "inspect", "--raw", `${host}/app:1`]),
      `${new TextDecoder().decode(image.raw.manifest)}\n`,
    );
    const shown = await ckit(["manifest", "inspect", `${host}/app:1`]);
    assertStringIncludes(shown, image.layers[0]!.digest);
    assertEquals(await ckit(["referrers", `${host}/app:1`]), "");
    const root = [
      ...["--root", `${temp.path}/root`],
      ...["--state", `${temp.path}/state`],
    ];
    const pulled = await ckit([...root, "pull", `${host}/app:1`]);
    assertStringIncludes(pulled, digest);
    assertStringIncludes(await ckit([...root, "images"]), `${host}/app:1`);
    // What the registry lost is pushed again, by the name that it was pulled by.
    await ckit(["delete", `${host}/app:1`]);
    await assertRejects(
      () => ckit([...root, "pull", `${host}/app:1`]),
      Error,
      "404",
    );
    assertStringIncludes(
      await ckit([...root, "push", `${host}/app:1`]),
      digest,
    );
    assertEquals(await ckit(["tags", `${host}/app`]), "1\n");
    await ckit(["delete", `${host}/other:2`]);
    assertEquals(await ckit(["tags", `${host}/other`]), "");
    await ckit(["logout", host]);
    await assertRejects(() => ckit(["tags", `${host}/app`]), Error, "401");
    const DOCKER_AUTH_CONFIG = JSON.stringify({
      auths: { [host]: { auth: btoa("me:s3cret") } },
    });
    assertEquals(
      await runProgram(Deno.execPath(), [...base, "tags", `${host}/app`], {
        env: { ...env, DOCKER_AUTH_CONFIG },
      }),
      "1\n",
    );
  } finally {
    server.kill("SIGINT");
    await server.status;
    await text.cancel();
  }
});
