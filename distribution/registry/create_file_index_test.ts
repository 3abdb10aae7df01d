import { assertEquals } from "@std/assert";
import { MediaType } from "@containerkit/oci";
import { Api, DataSet, pushSet, REPOSITORY } from "./_test_api.ts";
import { createFileIndex } from "./mod.ts";

/** Tells which names change and which folders are synced, in order. */
async function traceFiles(action: () => Promise<void>): Promise<string[]> {
  const { open, rename, remove, mkdir } = Deno;
  const events: string[] = [];
  Object.assign(Deno, {
    async open(path: string, options?: Deno.OpenOptions) {
      const file = await open(path, options);
      if ((await file.stat()).isFile) return file;
      const sync = file.sync.bind(file);
      return Object.assign(file, {
        async sync() {
          await sync();
          events.push(`sync ${path}`);
        },
      });
    },
    async rename(from: string, to: string) {
      await rename(from, to);
      events.push(`rename ${to}`);
    },
    async remove(path: string) {
      await remove(path);
      events.push(`remove ${path}`);
    },
    async mkdir(path: string, options?: Deno.MkdirOptions) {
      await mkdir(path, options);
      events.push(`mkdir ${path}`);
    },
  });
  try {
    await action();
  } finally {
    Object.assign(Deno, { open, rename, remove, mkdir });
  }
  return events;
}

async function inFolder(
  action: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "containerkit-" });
  try {
    await action(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("createFileIndex() syncs the folder after each change of a name in it", async () => {
  await inFolder(async (path) => {
    const index = createFileIndex(`${path}/index`);
    const events = await traceFiles(async () => {
      await index.set("a/b/c", "1");
      await index.set("a/b/c", "2");
      await index.delete("a/b/c");
      await index.delete("x/y");
    });
    assertEquals(events.map((event) => event.replaceAll(path, "")), [
      "mkdir /index",
      "sync ",
      "mkdir /index/a",
      "sync /index",
      "mkdir /index/a/b",
      "sync /index/a",
      "rename /index/a/b/c",
      "sync /index/a/b",
      "rename /index/a/b/c",
      "sync /index/a/b",
      "remove /index/a/b/c",
      "sync /index/a/b",
      // With its last name.
      "remove /index/a/b",
    ]);
    assertEquals(await index.get("a/b/c"), undefined);
  });
});

Deno.test("createFileIndex() sets what it is told to while the last name in its folder is removed", async () => {
  await inFolder(async (path) => {
    const index = createFileIndex(path);
    const { mkdir } = Deno;
    let times = 3;
    await index.set("a/b", "1");
    // The folder is found to be there, and removed before it is used.
    Deno.mkdir = async (...args) => {
      try {
        await mkdir(...args);
      } finally {
        if (times-- > 0) await index.delete("a/b");
      }
    };
    try {
      await index.set("a/c", "2");
    } finally {
      Deno.mkdir = mkdir;
    }
    assertEquals(times < 0, true);
    assertEquals(await index.list("a"), ["c"]);
    assertEquals(await index.get("a/c"), "2");
  });
});

Deno.test("createFileIndex() sets values beside what a crash left of earlier ones", async () => {
  await inFolder(async (path) => {
    for (let count = 0; count < 3; count++) {
      await Deno.writeTextFile(`${path}/.new-${Deno.pid}-${count}`, "");
    }
    const index = createFileIndex(path);
    await index.set("a", "1");
    assertEquals(await index.get("a"), "1");
    assertEquals(await index.list("."), ["a"]);
    const left = [...Deno.readDirSync(path)].filter(({ name }) =>
      name.startsWith(".new-")
    );
    assertEquals(left.length, 3);
  });
});

Deno.test("createRegistry() has nothing by names that are too long for files", async () => {
  await inFolder(async (path) => {
    await using api = new Api({ index: createFileIndex(path) });
    const set = new DataSet();
    set.image();
    await pushSet(api, set);
    const [blob] = set.blobs.keys();
    const long = `foo:${"a".repeat(500)}`;
    await api.ask("GET", `/v2/${REPOSITORY}/blobs/${long}`, 404);
    await api.ask("GET", `/v2/${REPOSITORY}/manifests/${long}`, 404);
    await api.ask("GET", `/v2/${REPOSITORY}/referrers/${long}`, 200);
    await api.start(`?mount=${long}`);
    await api.start(`?mount=${blob}&from=${"a".repeat(500)}`);
    const bytes = new TextEncoder().encode(JSON.stringify({
      ...JSON.parse(new TextDecoder().decode(set.manifests[0]!.bytes)),
      subject: { mediaType: MediaType.Manifest, digest: long, size: 1 },
    }));
    await api.ask("PUT", `/v2/${REPOSITORY}/manifests/a`, 400, {
      body: bytes,
      headers: { "content-type": MediaType.Manifest },
    });
  });
});
