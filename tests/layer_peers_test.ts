import { assertEquals } from "@std/assert";
import { applyLayer, diffLayers } from "@containerkit/snapshot";
import {
  describeTree,
  need,
  peer,
  program,
  rootTest,
  runProgram,
  tempDir,
} from "@containerkit/tests";
import { containerdTree } from "./containerd_tree.ts";
import { kept, makeLayout, type StoredLayer } from "./layer_layout.ts";

/** Two states of a tree: what a first layer brings, and what a second changes. */
const BASE = `
  umask 022
  mkdir -p etc usr/bin usr/share/doc var/cache/old
  printf root > etc/passwd; printf one > etc/keep; printf gone > etc/gone; ln etc/keep etc/linked
  printf prog > usr/bin/su; chmod 4755 usr/bin/su; ln -s su usr/bin/alias
  printf cap > usr/bin/ping; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 usr/bin/ping
  setfattr -n user.note -v base etc/passwd
  for i in $(seq 200); do printf $i > usr/share/doc/file$i; done
  printf x > var/cache/old/x; chown -R 33:33 var/cache; mkfifo var/pipe; mknod var/null c 1 3
  long=$(printf 'long%.0s' $(seq 40)); mkdir -p $long; printf deep > $long/$(printf 'name%.0s' $(seq 50))
  find . -exec touch -h -d @1500000000 {} +
`;
const CHANGE = `
  umask 022
  printf changed > etc/passwd; rm etc/gone; chown 7:8 etc/keep; mkdir -m 700 etc/new; printf n > etc/new/n
  rm -r var/cache/old; mkdir var/cache/old; printf y > var/cache/old/y
  rm usr/bin/alias; mkdir usr/bin/alias; printf d > usr/bin/alias/d
  ln usr/bin/su usr/bin/su2; rm -r usr/share/doc; printf f > usr/share/doc
  find etc/passwd etc/new var/cache usr/bin usr/share/doc -exec touch -h -d @1600000000 {} +
`;

/** Makes both layers with diffLayers(), and the tree that they must give. */
async function makeLayers(
  temp: string,
): Promise<{ layers: StoredLayer[]; tree: string }> {
  const [before, after] = [`${temp}/before`, `${temp}/after`];
  Deno.mkdirSync(before);
  await runProgram("sh", ["-ec", BASE], { cwd: before });
  await runProgram("cp", ["-a", before, after]);
  await runProgram("sh", ["-ec", CHANGE], { cwd: after });
  const layers: StoredLayer[] = [];
  for (
    const [index, layer] of [
      diffLayers(undefined, before),
      diffLayers(before, after),
    ].entries()
  ) {
    const path = `${temp}/layer${index}.tar.gz`;
    await Deno.writeFile(path, layer.readable);
    layers.push({ path, ...await layer.digests });
  }
  return { layers, tree: after };
}

rootTest("applyLayer() gives what the layers were made of", async () => {
  await using temp = tempDir();
  const { layers, tree } = await makeLayers(temp.path);
  const root = `${temp.path}/root`;
  Deno.mkdirSync(root);
  for (const { path, diffId } of layers) {
    using file = await Deno.open(path);
    assertEquals((await applyLayer(file, root)).diffId, diffId);
  }
  const whole = (lines: readonly string[]) =>
    lines.filter((line) => !line.startsWith(" d ")).map((line) =>
      line.replace(/( d .*) \S+$/, "$1")
    );
  assertEquals(
    whole(await describeTree(root)),
    whole(await describeTree(tree)),
  );
});

for (const find of [program, peer]) {
  const version = find === program ? "the system's" : "the newer";
  const umoci = find("umoci");
  rootTest(
    `${version} umoci unpacks what diffLayers() wrote to the same tree`,
    async () => {
      await using temp = tempDir();
      const { layers, tree } = await makeLayers(temp.path);
      const layout = await makeLayout(temp.path, layers);
      await runProgram(umoci!, [
        "unpack",
        "--image",
        `${layout}:t`,
        `${temp.path}/bundle`,
      ]);
      assertEquals(
        kept(await describeTree(`${temp.path}/bundle/rootfs`)),
        kept(await describeTree(tree)),
      );
    },
    umoci === undefined ? "program missing: umoci" : undefined,
  );

  const [containerd, ctr] = [find("containerd"), find("ctr")];
  rootTest(
    `${version} containerd unpacks what diffLayers() wrote to the same tree`,
    async () => {
      await using temp = tempDir();
      const { layers, tree } = await makeLayers(temp.path);
      const layout = await makeLayout(temp.path, layers);
      await runProgram("sh", [
        "-ec",
        `sed -i 's|"t"|"example.org/t:1"|' index.json; tar -cf ../image.tar .`,
      ], { cwd: layout });
      await containerdTree({
        containerd: containerd!,
        ctr: ctr!,
        archive: `${temp.path}/image.tar`,
        image: "example.org/t:1",
        folder: `${temp.path}/containerd`,
      }, async (mounted) => {
        assertEquals(
          kept(await describeTree(mounted)),
          kept(await describeTree(tree)),
        );
      });
    },
    containerd === undefined || ctr === undefined
      ? "program missing: containerd"
      : undefined,
  );
}

rootTest("umoci's layers apply to the same tree as umoci unpacks", async () => {
  await using temp = tempDir();
  const { layers, tree } = await makeLayers(temp.path);
  const layout = await makeLayout(temp.path, layers.slice(0, 1));
  const umoci = program("umoci")!;
  const bundle = `${temp.path}/bundle`;
  await runProgram(umoci, ["unpack", "--image", `${layout}:t`, bundle]);
  await runProgram("sh", ["-ec", CHANGE], { cwd: `${bundle}/rootfs` });
  await runProgram(umoci, ["repack", "--image", `${layout}:t2`, bundle]);
  await runProgram("skopeo", [
    "copy",
    `oci:${layout}:t2`,
    `dir:${temp.path}/dir`,
  ]);
  const manifest = JSON.parse(
    await Deno.readTextFile(`${temp.path}/dir/manifest.json`),
  );
  const root = `${temp.path}/root`;
  Deno.mkdirSync(root);
  for (const { digest } of manifest.layers) {
    using file = await Deno.open(`${temp.path}/dir/${digest.slice(7)}`);
    assertEquals((await applyLayer(file, root)).digest, digest);
  }
  assertEquals(kept(await describeTree(root)), kept(await describeTree(tree)));
}, need("umoci", "skopeo"));

rootTest(
  "crane writes what diffLayers() wrote as an archive of Go, which applies to the same tree",
  async () => {
    await using temp = tempDir();
    const { layers, tree } = await makeLayers(temp.path);
    const image = `${temp.path}/image.tar`;
    const crane = peer("crane")!;
    await runProgram(crane, [
      "append",
      ...layers.flatMap(({ path }) => ["--new_layer", path]),
      "--new_tag",
      "example.org/layers:1",
      "--output",
      image,
    ]);
    // One archive of all layers, whiteouts and all.
    const flat = `${temp.path}/flat.tar`;
    await runProgram("sh", [
      "-ec",
      `'${crane}' export - '${flat}' <'${image}'`,
    ]);
    const root = `${temp.path}/root`;
    Deno.mkdirSync(root);
    {
      using file = await Deno.open(flat);
      await applyLayer(file, root);
    }
    assertEquals(
      kept(await describeTree(root)),
      kept(await describeTree(tree)),
    );
    // And its layers, which Go has compressed.
    const again = `${temp.path}/again`;
    Deno.mkdirSync(again);
    await runProgram("skopeo", [
      "copy",
      `docker-archive:${image}`,
      `dir:${temp.path}/dir`,
    ]);
    const manifest = JSON.parse(
      await Deno.readTextFile(`${temp.path}/dir/manifest.json`),
    );
    for (const { digest } of manifest.layers) {
      using file = await Deno.open(`${temp.path}/dir/${digest.slice(7)}`);
      assertEquals((await applyLayer(file, again)).digest, digest);
    }
    assertEquals(
      kept(await describeTree(again)),
      kept(await describeTree(tree)),
    );
  },
  peer("crane") === undefined ? "program missing: crane" : need("skopeo"),
);
