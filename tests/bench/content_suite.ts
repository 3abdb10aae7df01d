import { openStore } from "@containerkit/content";
import { DatabaseSync } from "node:sqlite";
import { need, program, runProgram, tempDir } from "../mod.ts";
import type { Bench } from "./bench.ts";

const MIB = 1 << 20;
const SIZE = 512;
const WRITERS = 8;
const MANIFESTS = 20_000;
const LAYERS = 9;
const LABELLED = 1000;

async function time(fn: () => unknown): Promise<number> {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

/** Writes so much of random bytes to a disk file, and makes it durable. */
function dd(folder: string, name: string, mib: number): Promise<string> {
  return runProgram("dd", [
    `if=${folder}/source`,
    `of=${folder}/${name}`,
    "bs=1M",
    `count=${mib}`,
    "conv=fsync",
    "status=none",
  ]);
}

async function ingest(bench: Bench): Promise<void> {
  await using temp = tempDir({ dir: "/var/tmp" });
  const { path } = temp;
  using store = await openStore({ root: `${path}/root` });
  const chunk = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += 65_536) {
    crypto.getRandomValues(chunk.subarray(at, at + 65_536));
  }
  {
    using source = await Deno.create(`${path}/source`);
    for (let left = SIZE; left > 0; left--) await source.write(chunk);
  }
  let count = 0;
  const write = async (mib: number) => {
    const number = count++;
    const writer = await store.writer(`bench-${number}`);
    const own = chunk.slice();
    new DataView(own.buffer).setUint32(0, number + 1);
    for (let left = mib; left > 0; left--) await writer.write(own);
    await writer.commit();
  };
  // Nothing is removed before the end: a disk that is told of freed blocks is busy with them for a while.
  let copies = 0;
  const settle = () => runProgram("sync", ["-f", path]);
  await bench.compare({
    name: `ingest ${SIZE} MiB with sha256 (the slower of openssl and dd)`,
    goal: 1 / 0.85,
    rounds: 4,
    async ours() {
      await settle();
      return await time(() => write(SIZE));
    },
    async peer() {
      await settle();
      const openssl = await time(() =>
        runProgram(program("openssl")!, ["dgst", "-sha256", `${path}/source`])
      );
      return Math.max(
        openssl,
        await time(() => dd(path, `copy-${copies++}`, SIZE)),
      );
    },
  });
  await bench.compare({
    name: `${WRITERS} writers at once, ${SIZE} MiB in all (dd)`,
    goal: 1 / 0.8,
    rounds: 4,
    async ours() {
      await settle();
      return await time(() =>
        Promise.all(
          Array.from({ length: WRITERS }, () => write(SIZE / WRITERS)),
        )
      );
    },
    async peer() {
      await settle();
      return await time(() => dd(path, `copy-${copies++}`, SIZE));
    },
  });
}

/** The time until the first new byte can be asked for: what is there is hashed later. */
async function resume(bench: Bench): Promise<void> {
  await using temp = tempDir({ dir: "/var/tmp" });
  using store = await openStore({ root: temp.path });
  const chunk = new Uint8Array(MIB);
  const first = await store.writer("big");
  for (let left = SIZE; left > 0; left--) await first.write(chunk);
  await first.abort();
  const start = performance.now();
  await using writer = await store.writer("big");
  const taken = performance.now() - start;
  if (writer.offset !== SIZE * MIB) throw new Error("Nothing to resume");
  bench.report(`resume at ${SIZE} MiB`, taken, 50, "ms");
}

/** Rows as commits would have written them; files are of no matter to what is measured. */
function fill(path: string): void {
  const database = new DatabaseSync(`${path}/state.db`);
  const digest = database.prepare("INSERT INTO digests VALUES (?, ?)");
  const blob = database.prepare(
    `INSERT INTO blobs (id, namespace, digest, size, media_type, labels, created, updated, verified, held, generation)
     VALUES (?, 1, ?, 1000, ?, ?, 0, 0, 0, 0, 0)`,
  );
  const edge = database.prepare("INSERT INTO edges VALUES (?, ?, 'layer')");
  const label = database.prepare(
    "INSERT INTO labels VALUES ('blob', 'bench.example/kept', 'yes', ?)",
  );
  const image = database.prepare(
    `INSERT INTO images (namespace, name, digest, descriptor, ref_name, created, updated, generation)
     VALUES (1, ?, ?, ?, ?, 0, 0, 0)`,
  );
  database.exec("BEGIN");
  for (let id = 1; id <= MANIFESTS * (LAYERS + 1); id++) {
    const isManifest = (id - 1) % (LAYERS + 1) === 0;
    const isLabelled = id % (MANIFESTS * (LAYERS + 1) / LABELLED) === 0;
    digest.run(id, `sha256:${id.toString(16).padStart(64, "0")}`);
    blob.run(
      id,
      id,
      isManifest ? "application/vnd.oci.image.manifest.v1+json" : null,
      isLabelled ? '{"bench.example/kept":"yes"}' : "{}",
    );
    if (isLabelled) label.run(id);
    if (!isManifest) edge.run(id - (id - 1) % (LAYERS + 1), id);
    // One name for every twenty images: the others hang together by these.
    else if ((id - 1) % (20 * (LAYERS + 1)) === 0) {
      image.run(`image:${id}`, id, "{}", `image:${id}`);
    } else edge.run(id - (id - 1) % (20 * (LAYERS + 1)), id);
  }
  database.exec("COMMIT");
  database.close();
}

async function scale(bench: Bench): Promise<void> {
  await using temp = tempDir({ dir: "/var/tmp" });
  const root = `${temp.path}/root`;
  {
    using store = await openStore({ root });
    fill(store.path);
  }
  const script = new URL("./_content_scale.ts", import.meta.url).pathname;
  const figures = JSON.parse(
    await runProgram(Deno.execPath(), [
      "run",
      "-A",
      "--no-check",
      script,
      root,
    ]),
  );
  bench.report("200,000 blobs: open", figures.open, 10, "ms");
  bench.report("200,000 blobs: info", figures.info, 50, "us");
  bench.report("200,000 blobs: 1,000 by a label", figures.walk, 5, "ms");
  bench.report("200,000 blobs: mark", figures.mark, 2, "s");
  bench.report("200,000 blobs: memory", figures.memory, 150, "MiB");
}

/** The content store against openssl, dd and fixed goals. */
export async function suite(bench: Bench): Promise<void> {
  await scale(bench);
  await resume(bench);
  const missing = need("openssl");
  if (missing === undefined) await ingest(bench);
  else bench.skip("ingest", missing);
}
