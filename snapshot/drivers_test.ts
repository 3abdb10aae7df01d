import { assert, assertEquals, assertRejects } from "@std/assert";
import { mount } from "@containerkit/mount";
import { enableQuota } from "@containerkit/mount/btrfs";
import { UntarStream } from "@containerkit/tar";
import { need, program, rootTest, tempDir, until } from "@containerkit/tests";
import { openBtrfs } from "./btrfs.ts";
import { openImage } from "./image.ts";
import { openOverlay, openTarindex, type Snapshotter } from "./mod.ts";
import { openNative } from "./native.ts";
import { snapshotterSuite } from "./testing.ts";

type Open = (options: { root: string }) => Promise<Snapshotter>;

/** A folder in memory: what is tested here is not the disk, which other tests cut and fill. */
async function memory(): Promise<{ path: string } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(tempDir());
  stack.use(await mount({ type: "tmpfs", mode: 0o755 }, path));
  const kept = stack.move();
  return { path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A folder on a new filesystem in a file in memory. */
async function filesystem(
  fstype: "ext4" | "btrfs",
): Promise<{ path: string } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const temp = stack.use(await memory());
  const image = `${temp.path}/image`;
  const path = `${temp.path}/fs`;
  Deno.mkdirSync(path);
  using file = Deno.createSync(image);
  file.truncateSync(2 ** 29);
  const { success, stderr } = await new Deno.Command(
    program(`mkfs.${fstype}`)!,
    { args: ["-q", image], stdin: "null", stdout: "null", stderr: "piped" },
  ).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  stack.use(await mount({ type: "image", source: image, fstype }, path));
  const kept = stack.move();
  return { path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A store in a folder with a name that mount options cannot take as it is. */
function suite(
  name: string,
  open: Open,
  options: {
    place?: () => Promise<{ path: string } & AsyncDisposable>;
    layers?: { mounted: number; deep: number };
    missing?: string | undefined;
  } = {},
): void {
  const { place = memory } = options;
  snapshotterSuite(name, async () => {
    await using stack = new AsyncDisposableStack();
    const temp = stack.use(await place());
    const root = `${temp.path}/a, b:c\\d`;
    Deno.mkdirSync(root);
    const snapshotter = stack.use(await open({ root }));
    const kept = stack.move();
    return {
      snapshotter,
      open: () => open({ root }),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }, {
    test: (title, fn) => rootTest(title, fn, options.missing),
    ...(options.layers === undefined ? {} : { layers: options.layers }),
  });
}

const small: Open = ({ root }) => openImage({ root, size: 32 << 20 });
/** Where every layer is a whole tree the cost grows with the square of their number. */
const few = Deno.env.get("CONTAINERKIT_LONG") === undefined
  ? { mounted: 12, deep: 24 }
  : { mounted: 128, deep: 500 };

suite("overlay", openOverlay);
suite("tarindex", openTarindex, {
  missing: need("mkfs.ext4"),
  place: () => filesystem("ext4"),
});
suite("native", openNative, { layers: few });
suite("btrfs", openBtrfs, {
  layers: few,
  missing: need("mkfs.btrfs"),
  async place() {
    const fs = await filesystem("btrfs");
    enableQuota(fs.path);
    return fs;
  },
});
suite("image", small, {
  missing: need("mkfs.ext4"),
  layers: few,
});

/** The loop devices that show a file of a folder: one is there for as long as its mount. */
function loopsIn(folder: string): string[] {
  return [...Deno.readDirSync("/sys/block")].filter(({ name }) => {
    try {
      return Deno.readTextFileSync(`/sys/block/${name}/loop/backing_file`)
        .startsWith(`${folder}/`);
    } catch {
      return false;
    }
  }).map(({ name }) => `/dev/${name}`);
}

rootTest(
  "Snapshot.diff() of the image driver unmounts when it is aborted and nobody reads",
  async () => {
    await using temp = tempDir();
    await using snapshots = await small({ root: temp.path });
    await using work = await snapshots.prepare("work");
    const controller = new AbortController();
    const { readable } = await work.diff({ signal: controller.signal });
    assertEquals(loopsIn(temp.path).length, 1);
    controller.abort(new Error("enough"));
    await until("the unmounting", () => loopsIn(temp.path).length === 0);
    await assertRejects(
      () => readable.pipeTo(new WritableStream()),
      Error,
      "enough",
    );
  },
  need("mkfs.ext4"),
);

rootTest(
  "Snapshot.commit() of the image driver refuses what is mounted: not all of it is in its file",
  async () => {
    await using temp = tempDir();
    await using snapshots = await small({ root: temp.path });
    await using work = await snapshots.prepare("work");
    const at = `${temp.path}/at`;
    Deno.mkdirSync(at);
    using stack = new DisposableStack();
    {
      await using _mounted = await mount(work.mounts, at);
      Deno.writeTextFileSync(`${at}/file`, "written");
      // As udev does: the device stays for as long as it is looked at.
      stack.use(Deno.openSync(loopsIn(temp.path)[0]!));
      await assertRejects(
        () => work.commit("layer"),
        Deno.errors.Busy,
        'Cannot commit snapshot "work": it is mounted',
      );
    }
    assertEquals(loopsIn(temp.path).length, 1);
    await work.commit("layer");
    stack.dispose();
    await using view = await snapshots.view("view", "layer");
    await using _mounted = await mount(view.mounts, at);
    assertEquals(Deno.readTextFileSync(`${at}/file`), "written");
  },
  need("mkfs.ext4"),
);

rootTest(
  "Snapshot.diff() and commit() of the image driver take what a power cut left in the journal",
  async () => {
    await using temp = tempDir();
    await using snapshots = await small({ root: temp.path });
    await using work = await snapshots.prepare("work");
    const at = `${temp.path}/at`;
    Deno.mkdirSync(at);
    const [shown] = work.mounts;
    assert(shown?.type === "image" && typeof shown.source === "string");
    const cut = async (name: string) => {
      {
        await using _mounted = await mount(shown, at);
        Deno.writeTextFileSync(`${at}/${name}`, name);
        const { success } = await new Deno.Command("sync", {
          args: ["-f", at],
        }).output();
        assert(success);
        Deno.copyFileSync(shown.source, `${temp.path}/cut`);
      }
      Deno.renameSync(`${temp.path}/cut`, shown.source);
    };
    await cut("first");
    const { readable } = await work.diff({ compression: "none" });
    const paths: string[] = [];
    for await (const entry of readable.pipeThrough(new UntarStream())) {
      paths.push(entry.path);
    }
    assertEquals(paths, ["first"]);
    await cut("second");
    await work.commit("layer");
    await using view = await snapshots.view("view", "layer");
    await using _mounted = await mount(view.mounts, at);
    const names = [...Deno.readDirSync(at)].map(({ name }) => name).sort();
    assertEquals(names, ["first", "second"]);
  },
  need("mkfs.ext4"),
);

for (
  const open of [openOverlay, openTarindex, openNative, openBtrfs, openImage]
) {
  Deno.test({
    name: `${open.name}() is of /var/lib/containerkit unless told otherwise`,
    permissions: "none",
    async fn() {
      await assertRejects(
        () => open(),
        Deno.errors.NotCapable,
        '"/var/lib/containerkit"',
      );
    },
  });
}
