/**
 * Transfers whose process is killed in the middle: the next one goes on from there.
 */
import { assert, assertEquals } from "@std/assert";
import { openStore, type Store } from "@containerkit/content";
import { type Image, pull, push } from "@containerkit/distribution";
import { startFaulty } from "../distribution/_test_faults.ts";
import { largeTestImage } from "../distribution/_test_image.ts";
import { runProgram, tempDir } from "./mod.ts";

const SIZE = Deno.env.get("CONTAINERKIT_LONG") ? 5_000_000_000 : 40_000_000;
const SCRIPT = new URL("_kill_transfer.ts", import.meta.url).pathname;
const ARGS = ["run", "-A", "--quiet", "--no-check", SCRIPT];

/** Runs a transfer and kills it once `reached()`; it may have been faster. */
async function runAndKill(
  args: readonly string[],
  reached: () => Promise<boolean> | boolean,
): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...ARGS, ...args],
    stdin: "null",
    stdout: "null",
  }).spawn();
  let isOver = false;
  const status = child.status.then(() => {
    isOver = true;
  });
  while (!isOver && !await reached()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (!isOver) child.kill("SIGKILL");
  await status;
}

/** Lets so many bytes of bodies through, and then holds them until the client is gone. */
function holdAfter(
  bytes: number,
): {
  pass: (
    stream: ReadableStream<Uint8Array>,
  ) => ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly isReached: boolean;
  open(): void;
} {
  let left = bytes;
  let isOpen = false;
  const gate = Promise.withResolvers<void>();
  return {
    get isReached() {
      return left <= 0;
    },
    open() {
      isOpen = true;
      gate.resolve();
    },
    pass: (stream) =>
      ReadableStream.from((async function* () {
        for await (const chunk of stream) {
          if (left <= 0 && !isOpen) await gate.promise;
          left -= chunk.length;
          yield chunk as Uint8Array<ArrayBuffer>;
        }
      })()),
  };
}

/** Puts an image into a store. */
async function fill(store: Store, image: Image): Promise<void> {
  const { raw, manifest, descriptor, layers } = image;
  for (const layer of layers) {
    await store.put(await layer.open(), { descriptor: layer });
  }
  await store.put(raw.config, { descriptor: manifest.config });
  await store.put(raw.manifest, { descriptor });
  await store.images.create("source", descriptor);
}

Deno.test("a pull that was killed goes on with what is in the store", async () => {
  using temp = tempDir();
  const root = `${temp.path}/root`;
  const image = await largeTestImage(SIZE);
  const [layer] = image.layers;
  // Beyond what may wait in the window, so that some of it has been written by then.
  const hold = holdAfter(SIZE * 0.75);
  let isReady = false;
  using served = await openStore({ root: `${temp.path}/served` });
  await using faulty = startFaulty(async (request, answer) => {
    if (!isReady || !request.url.endsWith(layer!.digest)) return undefined;
    const response = await answer();
    return new Response(
      hold.pass(response.body!) as ReadableStream<Uint8Array<ArrayBuffer>>,
      response,
    );
  }, { store: served });
  await push(image, `${faulty.host}/app:1`);
  isReady = true;
  const ingested = async () => {
    let size = 0;
    const folder = `${root}/content/ingest`;
    try {
      for await (const { name } of Deno.readDir(folder)) {
        size += (await Deno.stat(`${folder}/${name}`)).size;
      }
    } catch {
      // Not there yet.
    }
    return size;
  };
  await runAndKill(
    ["pull", `${faulty.host}/app:1`, root],
    async () => hold.isReached && await ingested() > SIZE / 16,
  );
  hold.open();
  faulty.requests.length = 0;
  using store = await openStore({ root });
  await pull(`${faulty.host}/app:1`, store);
  assertEquals(await store.stat(layer!.digest), { size: SIZE });
  const ranges = faulty.requests.filter((text) => text.includes(layer!.digest));
  const [, start] = /bytes=(\d+)-/.exec(ranges[0]!) ?? [];
  assert(Number(start) > SIZE / 32, ranges[0]);
});

Deno.test("a push that was killed sends what is missing only", async () => {
  using temp = tempDir();
  const root = `${temp.path}/root`;
  const image = await largeTestImage(SIZE);
  const [layer] = image.layers;
  const hold = holdAfter(SIZE / 2);
  /** How many bytes of bodies arrived from both processes. */
  let arrived = 0;
  using served = await openStore({ root: `${temp.path}/served` });
  await using faulty = startFaulty((request, answer) => {
    if (request.method !== "PATCH") return undefined;
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        arrived += chunk.length;
        controller.enqueue(chunk);
      },
    });
    return answer(
      new Request(request.url, {
        method: "PATCH",
        headers: request.headers,
        body: hold.pass(request.body!.pipeThrough(count)),
      }),
    );
  }, { store: served });
  {
    using store = await openStore({ root });
    await fill(store, image);
  }
  const reference = `${faulty.host}/app:1`;
  await runAndKill(["push", reference, root], () => hold.isReached);
  hold.open();
  faulty.requests.length = 0;
  await runProgram(Deno.execPath(), [...ARGS, "push", reference, root]);
  const sent = faulty.requests.filter((text) => text.startsWith("PATCH"));
  const [, start] = / (\d+)-\d+$/.exec(sent.at(-1)!) ?? [];
  assert(Number(start) > SIZE / 4, sent.join("\n"));
  // What the first process still had on its way may have refused some.
  assert(arrived < SIZE + 8 * 1024 * 1024, `${arrived}`);
  // The registry's store proved its digest.
  assertEquals(await served.stat(layer!.digest), { size: SIZE });
});
