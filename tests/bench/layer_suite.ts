import { applyLayer, diffLayers, diffUpper } from "@containerkit/snapshot";
import { encodeTarHeader } from "@containerkit/tar";
import {
  peer,
  runProgram,
  startContainerd,
  tempDir,
} from "@containerkit/tests";
import type { Bench } from "./bench.ts";

/** Layers of the three kinds that images are made of. */
const LAYERS = {
  "15,000 small files": { directories: 150, files: 100, size: 8000, depth: 1 },
  "2 GB of big files": { directories: 1, files: 20, size: 100 << 20, depth: 1 },
  "60,000 tiny files, deep": {
    directories: 6000,
    files: 10,
    size: 300,
    depth: 12,
  },
};

/** Bytes that compress to about a half. */
function makeText(): Uint8Array<ArrayBuffer> {
  const words = crypto.getRandomValues(new Uint8Array(6 * 4096));
  const text = new Uint8Array(4 << 20);
  for (let at = 0; at + 6 <= text.length; at += 6) {
    const word = Math.floor(Math.random() * 4096) * 6;
    text.set(words.subarray(word, word + 6), at);
  }
  return text;
}

async function* makeLayer(
  { directories, files, size, depth }: (typeof LAYERS)[keyof typeof LAYERS],
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const text = makeText();
  const header = (init: Parameters<typeof encodeTarHeader>[0]) =>
    new Uint8Array(encodeTarHeader({ mtime: 1_600_000_000, ...init }));
  const made = new Set<string>();
  for (let number = 0; number < directories; number++) {
    // Two directories in each, as deep as asked for.
    const names = [...number.toString(2).padStart(depth, "0")];
    if (depth === 1) names[0] = String(number);
    let path = "usr";
    for (const name of names) {
      if (!made.has(path)) yield header({ name: `${path}/`, typeflag: "5" });
      made.add(path);
      path += `/d${name}`;
    }
    if (!made.has(path)) yield header({ name: `${path}/`, typeflag: "5" });
    made.add(path);
    for (let file = 0; file < files; file++) {
      const length = Math.floor(size * (0.5 + Math.random()));
      yield header({ name: `${path}/file${file}.txt`, size: length });
      for (let left = length; left > 0;) {
        const part = Math.min(left, 1 << 20);
        const from = Math.floor(Math.random() * (text.length - part));
        yield text.slice(from, from + part);
        left -= part;
      }
      yield new Uint8Array((512 - length % 512) % 512);
    }
  }
  yield new Uint8Array(1024);
}

async function shell(command: string): Promise<void> {
  await runProgram("sh", ["-ec", command]);
}

/**
 * Uses memory once, of some file system: the first use costs a virtual machine several times what the next ones do, and
 * would come to whoever is first.
 */
async function useMemory(folder: string): Promise<void> {
  await shell(`head -c 3G /dev/zero >'${folder}/used'; rm '${folder}/used'`);
}

/** Empties the folder, which is not what is measured, and times the rest. */
async function timed(
  target: string,
  fn: () => Promise<unknown>,
): Promise<number> {
  await shell(`rm -rf '${target}'; mkdir '${target}'`);
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

async function applyFile(path: string, target: string): Promise<void> {
  using file = await Deno.open(path);
  await applyLayer(file, target);
}

/** How long this thread was ready and others had the processors, in ms. */
function waited(): number {
  return Number(Deno.readTextFileSync("/proc/self/schedstat").split(" ")[1]) /
    1e6;
}

/**
 * The longest time in which nothing else of the program could run, as far as that is the program's doing: what others
 * keep the processors for is not, and on a shared machine would be most of it.
 */
async function longestStall(fn: () => Promise<unknown>): Promise<number> {
  let last = performance.now() - waited();
  let longest = 0;
  const timer = setInterval(() => {
    const now = performance.now() - waited();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  try {
    await fn();
  } finally {
    clearInterval(timer);
  }
  return longest;
}

/** Peak memory of a program that applies a layer, in MB. */
async function peakMemory(layer: string, target: string): Promise<number> {
  const script = `
    const { applyLayer } = await import(${
    JSON.stringify(import.meta.resolve("@containerkit/snapshot"))
  });
    using file = await Deno.open(${JSON.stringify(layer)});
    await applyLayer(file, ${JSON.stringify(target)});
    console.log(/VmHWM:\\s*(\\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))[1]);
  `;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const output = await runProgram(Deno.execPath(), [
    "eval",
    "--config",
    config,
    script,
  ]);
  return Number(output.trim()) / 1000;
}

interface Containerd extends AsyncDisposable {
  /** Unpacks an image anew. */
  unpack(): Promise<number>;
}

/** containerd with an image of one layer in its store. */
async function storeInContainerd(
  temp: string,
  { stored, diffId, image }: { stored: string; diffId: string; image: string },
): Promise<Containerd | undefined> {
  const [containerd, ctr] = [peer("containerd"), peer("ctr")];
  if (containerd === undefined || ctr === undefined) return undefined;
  const root = `${temp}/${image}`;
  await shell(`mkdir -p '${root}/blobs/sha256'`);
  const put = async (text: string) => {
    const bytes = new TextEncoder().encode(text);
    const hex = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
      .toHex();
    await Deno.writeFile(`${root}/blobs/sha256/${hex}`, bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const sum = (await runProgram("sha256sum", [stored])).split(" ")[0]!;
  await shell(`ln -s '${stored}' '${root}/blobs/sha256/${sum}'`);
  const config = await put(JSON.stringify({
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [diffId] },
  }));
  const oci = "application/vnd.oci.image";
  const manifest = await put(JSON.stringify({
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: { mediaType: `${oci}.config.v1+json`, ...config },
    layers: [{
      mediaType: `${oci}.layer.v1.tar+gzip`,
      digest: `sha256:${sum}`,
      size: Deno.statSync(stored).size,
    }],
  }));
  await Deno.writeTextFile(
    `${root}/oci-layout`,
    '{"imageLayoutVersion":"1.0.0"}',
  );
  await Deno.writeTextFile(
    `${root}/index.json`,
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{
        mediaType: `${oci}.manifest.v1+json`,
        ...manifest,
        annotations: { "org.opencontainers.image.ref.name": "bench/layer:1" },
      }],
    }),
  );
  await shell(
    `cd '${root}' && tar -ch -f image.tar oci-layout index.json blobs`,
  );
  const daemon = await startContainerd(containerd, `${root}/daemon`);
  const run = (...args: string[]) =>
    runProgram(ctr, ["--address", daemon.socket, ...args]);
  await run("images", "import", "--no-unpack", `${root}/image.tar`);
  return {
    async unpack() {
      await run("snapshots", "rm", diffId).catch(() => {});
      const start = performance.now();
      await run("snapshots", "unpack", manifest.digest);
      return performance.now() - start;
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Applying and comparing layers. */
export async function suite(bench: Bench): Promise<void> {
  await using disk = tempDir();
  await using memory = tempDir();
  await runProgram("mount", [
    "-t",
    "tmpfs",
    "-o",
    "size=80%",
    "none",
    memory.path,
  ]);
  try {
    for (const [name, layer] of Object.entries(LAYERS)) {
      await benchApply(bench, {
        name,
        layer,
        disk: disk.path,
        memory: memory.path,
      });
    }
    await benchDiff(bench, memory.path);
  } finally {
    await runProgram("umount", ["-R", memory.path]);
  }
}

/** Compresses a file as two members, one on each core. */
async function zip(plain: string, zipped: string): Promise<void> {
  const half = Math.floor(Deno.statSync(plain).size / 2);
  await shell(
    `head -c ${half} '${plain}' | gzip -6 > '${zipped}' & tail -c +${
      half + 1
    } '${plain}' | gzip -6 > '${zipped}.2'; wait; cat '${zipped}.2' >> '${zipped}'; rm '${zipped}.2'`,
  );
}

async function benchApply(
  bench: Bench,
  { name, layer, disk, memory }: {
    name: string;
    layer: (typeof LAYERS)[keyof typeof LAYERS];
    disk: string;
    memory: string;
  },
): Promise<void> {
  const [plain, zipped, target] = [
    `${disk}/l.tar`,
    `${disk}/l.tar.gz`,
    `${memory}/target`,
  ];
  await Deno.writeFile(plain, ReadableStream.from(makeLayer(layer)));
  await zip(plain, zipped);
  const isLarge = name.includes("GB");
  await bench.compare({
    name: `apply ${name}, plain: tar -xpf`,
    before: () => useMemory(memory),
    goal: 1,
    rounds: isLarge ? 3 : 6,
    ours: () => timed(target, () => applyFile(plain, target)),
    peer: () =>
      timed(target, () => runProgram("tar", ["-xpf", plain, "-C", target])),
  });
  const stalls: number[] = [];
  await bench.compare({
    name: `apply ${name}, gzip with both digests: gzip -dc | tar -xp`,
    before: () => useMemory(memory),
    goal: 0.8,
    // Where one takes ten seconds there is nothing to warm up.
    rounds: isLarge ? 1 : 5,
    ours: () =>
      timed(target, async () => {
        stalls.push(await longestStall(() => applyFile(zipped, target)));
      }),
    peer: () =>
      timed(
        target,
        () => shell(`gzip -dc '${zipped}' | tar -xp -C '${target}'`),
      ),
  });
  bench.report(`apply ${name}: longest stall`, stalls.at(-1)!, 20, "ms");
  await shell(`rm -rf '${target}'; mkdir '${target}'`);
  bench.report(
    `apply ${name}: peak memory`,
    await peakMemory(zipped, target),
    200,
    "MB",
  );
  const rounds = isLarge ? 1 : 3;
  await benchContainerd(bench, { name, plain, zipped, memory, rounds });
  await shell(`rm -rf '${target}' '${plain}' '${zipped}'`);
}

async function benchContainerd(
  bench: Bench,
  { name, plain, zipped, memory, rounds }: {
    name: string;
    plain: string;
    zipped: string;
    memory: string;
    rounds: number;
  },
): Promise<void> {
  const title = `apply ${name}, gzip to an overlay: containerd 2`;
  const diffId = `sha256:${
    (await runProgram("sha256sum", [plain])).split(" ")[0]
  }`;
  const server = await storeInContainerd(memory, {
    stored: zipped,
    diffId,
    image: "containerd",
  });
  if (server === undefined) return bench.skip(title, "containerd 2 is missing");
  try {
    await using containerd = server;
    const upper = `${memory}/upper`;
    await bench.compare({
      name: title,
      before: () => useMemory(memory),
      goal: 0.4,
      rounds,
      ours: () =>
        timed(upper, async () => {
          using file = await Deno.open(zipped);
          await applyLayer(file, upper, { format: "overlay", parents: [] });
        }),
      peer: () => containerd.unpack(),
    });
    await shell(`rm -rf '${upper}'`);
  } finally {
    await shell(`rm -rf '${memory}/containerd'`);
  }
}

async function benchDiff(bench: Bench, memory: string): Promise<void> {
  const [lower, upper, merged, work] = ["lower", "upper", "merged", "work"].map(
    (name) => `${memory}/${name}`,
  );
  await shell(`mkdir -p '${lower}' '${upper}' '${merged}' '${work}'`);
  await applyLayer(
    ReadableStream.from(makeLayer(LAYERS["60,000 tiny files, deep"])),
    lower!,
  );
  await runProgram("mount", [
    "-t",
    "overlay",
    "none",
    "-o",
    `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
    merged!,
  ]);
  await shell(
    `cd '${merged}'; find . -name file1.txt | head -n 100 | while read -r f; do echo changed >> "$f"; done`,
  );
  const drain = (layer: { readable: ReadableStream<Uint8Array> }) =>
    layer.readable.pipeTo(new WritableStream());
  await bench.compare({
    name: "diff of 100 changed files over 60,000: a walk of both trees",
    goal: 0.1,
    ours: () => drain(diffUpper(upper!)),
    peer: () => drain(diffLayers(lower!, merged!)),
  });
}
