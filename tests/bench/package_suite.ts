import { openStore } from "@containerkit/content";
import {
  exportArchive,
  importArchive,
} from "@containerkit/distribution/archive";
import { packImage } from "@containerkit/distribution/pack";
import { encodeTarHeader } from "@containerkit/tar";
import { program, runProgram, tempDir } from "../mod.ts";
import type { Bench } from "./bench.ts";

const MIB = 1 << 20;
/** Layers of the large image, 128 MiB each. */
const LAYERS = 8;
const LAYER_SIZE = 128 * MIB;

/** Bytes that do not compress, the same every time for a seed. */
function noise(seed: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += 65536) {
    crypto.getRandomValues(block.subarray(at, at + 65536));
  }
  block[0] = seed;
  return block;
}

function* layerTar(seed: number): Generator<Uint8Array> {
  const block = noise(seed);
  yield encodeTarHeader({ name: "data", size: LAYER_SIZE });
  for (let at = 0; at < LAYER_SIZE; at += MIB) {
    block[1] = at / MIB;
    yield block.slice();
  }
  yield new Uint8Array(1024);
}

/** Archives and signatures: ours against the tools that do nothing else. */
export async function suite(bench: Bench): Promise<void> {
  using temp = tempDir({ dir: "/var/tmp" });
  using store = await openStore({ root: temp.path });
  const image = await packImage(store, {
    layers: Array.from({ length: LAYERS }, (_, index) => ({
      archive: ReadableStream.from(layerTar(index)),
    })),
  }, { compression: "none" });
  const blobs = `${temp.path}/content/blobs/sha256`;
  const out = `${temp.path}/out`;
  const sync = () => runProgram("sync", ["-f", temp.path]);
  const named = [{ descriptor: image.descriptor, names: ["localhost/big:1"] }];
  await bench.compare({
    name: "export of 1 GiB against cat and sha256sum of its blobs",
    async ours() {
      await exportArchive(store, named).pipeTo(
        (await Deno.create(out)).writable,
      );
      await sync();
    },
    async peer() {
      await runProgram("sh", [
        "-c",
        `cat "$1"/* | tee "$2" | sha256sum`,
        "sh",
        blobs,
        out,
      ]);
      await sync();
    },
    // 0.8 of its speed.
    goal: 1.25,
    rounds: 4,
  });
  const skopeo = program("skopeo");
  if (skopeo === undefined) {
    bench.skip("archives against skopeo", "program missing: skopeo");
    return;
  }

  await store.images.create("big", image.descriptor);
  await bench.compare({
    name: "export of 1 GiB against skopeo copy to oci-archive",
    async ours() {
      await exportArchive(store, named, { format: "oci" })
        .pipeTo((await Deno.create(out)).writable);
      await sync();
    },
    async peer() {
      await Deno.remove(out).catch(() => {});
      await runProgram(skopeo, [
        "copy",
        `oci:${temp.path}/content:big`,
        `oci-archive:${out}`,
      ]);
      await sync();
    },
    goal: 1,
    rounds: 3,
  });
  await exportArchive(store, named, { format: "oci" })
    .pipeTo((await Deno.create(out)).writable);
  let round = 0;
  await bench.compare({
    name: "import of 1 GiB against skopeo copy from oci-archive",
    async ours() {
      using own = await openStore({ root: `${temp.path}/own-${round++}` });
      await importArchive((await Deno.open(out)).readable, own);
      await sync();
    },
    async peer() {
      await runProgram(skopeo, [
        "copy",
        `oci-archive:${out}`,
        `oci:${temp.path}/skopeo-${round++}:big`,
      ]);
      await sync();
    },
    goal: 1,
    rounds: 3,
  });
}
