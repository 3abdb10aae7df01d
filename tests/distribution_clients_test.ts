/**
 * Our registry under the clients people use: skopeo, crane, oras and ctr.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openStore } from "@containerkit/content";
import { listReferrers, pull, push, resolve } from "@containerkit/distribution";
import {
  createFileIndex,
  createMemoryStore,
  createRegistry,
} from "@containerkit/distribution/registry";
import { testImage } from "../distribution/_test_image.ts";
import {
  makeRealImage,
  need,
  peer,
  program,
  rootTest,
  runProgram,
  tempDir,
  testIf,
} from "./mod.ts";

/** Serves a registry over a content store in a folder. */
async function serve(
  folder: string,
): Promise<{ host: string } & AsyncDisposable> {
  const store = await openStore({ root: folder });
  const registry = createRegistry({
    store,
    index: createFileIndex(`${folder}/index`),
  });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  );
  return {
    host: `127.0.0.1:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await registry[Symbol.asyncDispose]();
      store.close();
    },
  };
}

rootTest(
  "createRegistry() serves skopeo, and pull() gets what skopeo pushed",
  async () => {
    using temp = tempDir();
    await using registry = await serve(`${temp.path}/registry`);
    const { layout, tag } = await makeRealImage(temp.path);
    const skopeo = (...args: string[]) => runProgram(program("skopeo")!, args);
    for (const format of ["oci", "v2s2"]) {
      const reference = `${registry.host}/busybox:${format}`;
      await skopeo(
        "copy",
        "--dest-tls-verify=false",
        "--format",
        format,
        `oci:${layout}:${tag}`,
        `docker://${reference}`,
      );
      const image = await pull(reference, createMemoryStore());
      assertEquals(image.config.config?.Cmd, ["/bin/sh"]);
      // The same image again, by our push, is what skopeo reads.
      await push(image, `${registry.host}/again:${format}`);
      const folder = `${temp.path}/${format}`;
      await skopeo(
        "copy",
        "--src-tls-verify=false",
        `docker://${registry.host}/again:${format}`,
        `dir:${folder}`,
      );
      assertEquals(
        await Deno.readFile(`${folder}/manifest.json`),
        image.raw.manifest,
      );
    }
    const tags = await skopeo(
      "list-tags",
      "--tls-verify=false",
      `docker://${registry.host}/busybox`,
    );
    assertEquals(JSON.parse(tags).Tags, ["oci", "v2s2"]);
  },
  need("skopeo", "umoci", "busybox", "setfattr"),
);

rootTest(
  "createRegistry() serves crane, which finds pushed images valid",
  async () => {
    using temp = tempDir();
    await using registry = await serve(`${temp.path}/registry`);
    const { layout, tag } = await makeRealImage(temp.path);
    const crane = (...args: string[]) =>
      runProgram(peer("crane")!, [args[0]!, "--insecure", ...args.slice(1)]);
    const reference = `${registry.host}/team/busybox:1`;
    await runProgram(program("skopeo")!, [
      "copy",
      `oci:${layout}:${tag}`,
      `oci-archive:${temp.path}/image.tar`,
    ]);
    await runProgram("tar", ["-xf", "image.tar", "--one-top-level=pushed"], {
      cwd: temp.path,
    });
    await crane("push", `${temp.path}/pushed`, reference);
    await crane("validate", "--remote", reference);
    const image = await pull(reference, createMemoryStore());
    const ours = `${registry.host}/team/ours:1`;
    await push(image, ours, { chunkSize: 100_000 });
    await crane("validate", "--remote", ours);
    assertEquals(
      (await crane("digest", ours)).trim(),
      image.descriptor.digest,
    );
    await crane("tag", ours, "second");
    assertEquals(
      await crane("ls", `${registry.host}/team/ours`),
      "1\nsecond\n",
    );
    await crane(
      "index",
      "append",
      "-m",
      ours,
      "-t",
      `${registry.host}/team/many:1`,
    );
    assertEquals(
      (await pull(`${registry.host}/team/many:1`, createMemoryStore()))
        .descriptor
        .digest,
      image.descriptor.digest,
    );
    await crane(
      "delete",
      `${ours}@${image.descriptor.digest}`.replace(":1@", "@"),
    );
    assertEquals(await crane("ls", `${registry.host}/team/ours`), "");
  },
  need("crane", "skopeo", "umoci", "busybox", "setfattr"),
);

testIf(
  need("oras"),
  "createRegistry() serves oras: artifacts, referrers, sha512",
  async () => {
    using temp = tempDir();
    await using registry = await serve(`${temp.path}/registry`);
    await Deno.writeTextFile(`${temp.path}/note.txt`, "hello");
    const oras = (...args: string[]) =>
      runProgram(peer("oras")!, args, {
        cwd: temp.path,
        env: { HOME: temp.path },
      });
    const reference = `${registry.host}/notes:1`;
    await oras(
      "push",
      "--plain-http",
      reference,
      "--artifact-type",
      "application/vnd.example",
      "note.txt:text/plain",
    );
    await oras(
      "attach",
      "--plain-http",
      reference,
      "--artifact-type",
      "application/vnd.example.review",
      "note.txt:text/plain",
    );
    const [referrer] = await Array.fromAsync(listReferrers(reference));
    assertEquals(referrer?.artifactType, "application/vnd.example.review");
    const artifact = await pull(reference, createMemoryStore());
    const [layer] = artifact.layers;
    assertEquals(await new Response(await layer!.open()).text(), "hello");
    assertStringIncludes(
      await oras("discover", "--plain-http", "--format", "json", reference),
      referrer!.digest,
    );
    const image = testImage({ algorithm: "sha512", layers: [50_000, 0] });
    const other = `${registry.host}/sha512:1`;
    await push(image, other);
    assertEquals((await resolve(other)).digest, image.descriptor.digest);
    await pull(other, createMemoryStore());
    await oras(
      "copy",
      "--to-oci-layout",
      "--from-plain-http",
      other,
      "layout:1",
    );
    const { digest } = image.layers[0]!;
    const blob = `${temp.path}/layout/blobs/${digest.replace(":", "/")}`;
    assertEquals((await Deno.stat(blob)).size, 50_000);
  },
);

rootTest("createRegistry() serves ctr, both ways", async () => {
  using temp = tempDir();
  await using registry = await serve(`${temp.path}/registry`);
  const socket = `${temp.path}/containerd.sock`;
  await Deno.writeTextFile(
    `${temp.path}/config.toml`,
    `version = 3
root = "${temp.path}/root"
state = "${temp.path}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
[grpc]
address = "${socket}"
[ttrpc]
address = "${socket}.ttrpc"
`,
  );
  const daemon = new Deno.Command(peer("containerd")!, {
    args: ["--config", `${temp.path}/config.toml`, "--log-level", "fatal"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const ctr = (...args: string[]) =>
      runProgram(peer("ctr")!, ["-a", socket, ...args]);
    for (let attempt = 0;; attempt++) {
      try {
        await ctr("version");
        break;
      } catch (error) {
        if (attempt === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    const image = testImage({ layers: [100_000, 10] });
    const reference = `${registry.host}/app:1`;
    await push(image, reference);
    await ctr("content", "fetch", "--plain-http", reference);
    const list = await ctr("content", "ls", "-q");
    assert(list.includes(image.layers[0]!.digest));
    await ctr(
      "image",
      "push",
      "--plain-http",
      `${registry.host}/back:1`,
      reference,
    );
    assertEquals(
      (await pull(`${registry.host}/back:1`, createMemoryStore())).descriptor
        .digest,
      image.descriptor.digest,
    );
  } finally {
    daemon.kill("SIGTERM");
    await daemon.status;
  }
}, peer("containerd") ? need("ctr") : "program missing: containerd 2");
