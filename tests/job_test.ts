import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openStore } from "@containerkit/content";
import { openImage, pull, push } from "@containerkit/distribution";
import { createRegistry } from "@containerkit/distribution/registry";
import { mount } from "@containerkit/mount";
import { openOverlay, unpack } from "@containerkit/snapshot";
import {
  ckit,
  describeTree,
  makeRealImage,
  need,
  program,
  rootTest,
  runProgram,
  startDockerRegistry,
  tempDir,
} from "./mod.ts";

const PARTS = need(
  "umoci",
  "skopeo",
  "docker-registry",
  "runc",
  "busybox",
  "setfattr",
);

rootTest(
  "an image of umoci in docker-registry is pulled, equals umoci's own unpack, and runs",
  async (t) => {
    await using temp = tempDir();
    const { layout, tag } = await makeRealImage(temp.path);
    await using registry = await startDockerRegistry({
      folder: `${temp.path}/registry`,
    });
    const reference = `${registry.host}/test/busybox:1`;
    await runProgram(program("skopeo")!, [
      "copy",
      "--dest-tls-verify=false",
      `oci:${layout}:${tag}`,
      `docker://${reference}`,
    ]);

    await t.step("pull and unpack", async () => {
      await runProgram(program("umoci")!, [
        "unpack",
        "--image",
        `${layout}:${tag}`,
        `${temp.path}/umoci`,
      ]);
      using store = await openStore({ root: `${temp.path}/own` });
      await using snapshots = await openOverlay({ root: `${temp.path}/own` });
      const image = await pull(reference, store, { lazy: true });
      const { chainId } = await unpack(image.layers, snapshots);
      await image.done?.();
      await using view = await snapshots.view("look", chainId);
      await Deno.mkdir(`${temp.path}/look`);
      await using rootfs = await mount(view.mounts, `${temp.path}/look`);
      assertEquals(
        await describeTree(rootfs.target),
        await describeTree(`${temp.path}/umoci/rootfs`),
      );
    });

    await t.step("ckit run exits with the container's code", async () => {
      const { code, stdout, stderr } = await ckit([
        "run",
        "--rm",
        reference,
        "sh",
        "-c",
        "echo out; echo err >&2; ip -4 addr show eth0; exit 7",
      ], { folder: temp.path });
      assertEquals(code, 7);
      assertStringIncludes(stdout, "out\n");
      assertMatch(stdout, /inet 10\.89\.\d+\.\d+\/24/);
      assertStringIncludes(stderr, "err\n");
    });

    await t.step("ckit run needs no registry for what is stored", async () => {
      await ckit(["pull", reference], { folder: temp.path });
      await registry[Symbol.asyncDispose]();
      const { code, stdout } = await ckit([
        "run",
        "--rm",
        "--network",
        "none",
        reference,
        "echo",
        "offline",
      ], { folder: temp.path });
      assertEquals([code, stdout], [0, "offline\n"]);
    });

    await t.step("skopeo reads the store in place", async () => {
      const text = await runProgram(program("skopeo")!, [
        "inspect",
        `oci:${temp.path}/lib/content:${reference}`,
      ]);
      assertEquals(JSON.parse(text).Layers.length, 2);
    });
  },
  PARTS,
);

rootTest("ckit run keeps a container until ckit rm", async () => {
  await using temp = tempDir();
  const { layout, tag } = await makeRealImage(temp.path);
  await using registry = await startDockerRegistry({
    folder: `${temp.path}/registry`,
  });
  const reference = `${registry.host}/busybox:1`;
  await runProgram(program("skopeo")!, [
    "copy",
    "--dest-tls-verify=false",
    `oci:${layout}:${tag}`,
    `docker://${reference}`,
  ]);
  const options = { folder: temp.path };
  const once = await ckit(
    ["run", "--name", "one", reference, "echo", "hi"],
    options,
  );
  assertEquals([once.code, once.stdout], [0, "hi\n"]);
  const twice = await ckit(
    ["run", "--name", "one", reference, "true"],
    options,
  );
  assertEquals(twice.code, 125);
  assertStringIncludes(twice.stderr, 'Cannot create container "one"');
  assertEquals(await ckit(["rm", "one"], options), {
    code: 0,
    stdout: "one\n",
    stderr: "",
  });
  assertStringIncludes(
    (await ckit(["rm", "one"], options)).stderr,
    'Cannot find container "one": there is none',
  );
}, PARTS);

rootTest(
  "skopeo pulls from the embedded registry what was pushed to it",
  async () => {
    await using temp = tempDir();
    const { layout, tag } = await makeRealImage(temp.path);
    using store = await openStore({ root: temp.path });
    await runProgram(program("skopeo")!, [
      "copy",
      `oci:${layout}:${tag}`,
      `oci:${temp.path}/content:busybox`,
    ]);
    const { descriptor } = (await store.images.list())[0]!;
    await using registry = createRegistry({ store });
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      registry,
    );
    const reference = `127.0.0.1:${server.addr.port}/busybox:1`;
    await push(await openImage(store, descriptor), reference);
    await runProgram(program("skopeo")!, [
      "copy",
      "--src-tls-verify=false",
      `docker://${reference}`,
      `oci:${temp.path}/copy:busybox`,
    ]);
    const text = await runProgram(program("skopeo")!, [
      "inspect",
      "--raw",
      `oci:${temp.path}/copy:busybox`,
    ]);
    assertEquals(JSON.parse(text).layers.length, 2);
  },
  PARTS,
);
