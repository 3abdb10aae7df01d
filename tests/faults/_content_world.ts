import { collect, openStore, type Store, verify } from "@containerkit/content";
import { type Descriptor, parseManifest } from "@containerkit/oci";
import { assertEquals } from "@std/assert";

const ROOT = new URL("../..", import.meta.url).pathname;
const WORKER = new URL("./_content_worker.ts", import.meta.url).pathname;

/** Starts a worker that has no permission but for the root of the store. */
export function startWorker(
  root: string,
  seed: number,
  count: number,
  options: { uid?: number } = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      `--allow-read=${root}`,
      `--allow-write=${root}`,
      `--config=${ROOT}deno.json`,
      WORKER,
      root,
      String(seed),
      String(count),
    ],
    ...(options.uid === undefined ? {} : {
      uid: options.uid,
      gid: options.uid,
      env: { HOME: root, DENO_DIR: `${root}/deno` },
    }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** What the names reach, read from the files themselves: the slow and plain way. */
async function reachable(store: Store): Promise<Set<string>> {
  const reached = new Set<string>();
  const queue: Descriptor[] = (await store.images.list())
    .map(({ descriptor }) => descriptor);
  for (let next; (next = queue.pop()) !== undefined;) {
    if (reached.has(next.digest)) continue;
    reached.add(next.digest);
    if (!next.mediaType.includes("manifest")) continue;
    const file = `${store.path}/blobs/${next.digest.replace(":", "/")}`;
    const document = parseManifest(Deno.readFileSync(file));
    if ("layers" in document) queue.push(document.config, ...document.layers);
  }
  return reached;
}

/** Checks that every blob is right and that collecting leaves just what the names reach, and the files of that. */
export async function checkWorld(root: string): Promise<void> {
  using store = await openStore({ root });
  assertEquals((await verify(store)).damaged, []);
  // A lease of a process that was killed lasts until it expires.
  for (const { id } of await store.leases.list()) await store.leases.delete(id);
  const expected = [...await reachable(store)].toSorted();
  await collect(store, { grace: 0, ingestAge: 0 });
  const listed = await Array.fromAsync(store.list());
  assertEquals(listed.map(({ digest }) => digest).toSorted(), expected);
  const files = [...Deno.readDirSync(`${store.path}/blobs/sha256`)]
    .map(({ name }) => `sha256:${name}`).toSorted();
  assertEquals(files, expected);
  assertEquals([...Deno.readDirSync(`${store.path}/ingest`)], []);
  const shown = JSON.parse(
    Deno.readTextFileSync(`${store.path}/index.json`),
  ).manifests.length;
  assertEquals(shown, (await store.images.list()).length);
}
