import { chainIds, digestBytes, DigestMismatchError } from "@containerkit/oci";
import { UntarStream } from "@containerkit/tar";
import {
  detectCompression,
  readLayer,
  type ReadLayerOptions,
} from "@containerkit/tar/layer";
import { exists } from "./_folders.ts";
import {
  check,
  describeTree,
  makeLayer,
  names,
  refused,
  same,
  type SuiteCase,
  type SuiteContext,
  withMounts,
  withView,
  writeFiles,
} from "./_suite.ts";
import {
  archive,
  dir,
  file,
  link,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import type { LayerSource } from "./layer_source.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import { unpack } from "./unpack.ts";

/** A layer of an image, in memory. */
export async function layerOf(
  entries: readonly TestEntry[],
  options: ReadLayerOptions = {},
): Promise<LayerSource> {
  const bytes = archive(entries);
  const open = () => Promise.resolve(new Blob([bytes]).stream());
  const reader = readLayer(await open(), options);
  await reader.readable.pipeTo(new WritableStream());
  const { digest, size, diffId } = await reader.digests;
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  return { mediaType, digest, size, diffId, open };
}

const BASE = [
  dir("etc"),
  file("etc/passwd", "root"),
  dir("lib"),
  file("lib/a", "a"),
  symlink("lib", "lib64"),
  link("etc/passwd", "etc/passwd-"),
];
const TOP = [
  dir("etc"),
  file("etc/group", "root"),
  file("lib/.wh.a"),
  file("lib/b", "b"),
];

/** Layers of one small file each. */
async function smallLayers(count: number): Promise<LayerSource[]> {
  const layers: LayerSource[] = [];
  for (let number = 0; number < count; number++) {
    layers.push(
      await layerOf([
        file(`f${number}`, String(number)),
        file("last", String(number)),
      ]),
    );
  }
  return layers;
}

/** The cases that containerd's suite names and does not have. */
export const NAMED_CASES: Readonly<Record<string, SuiteCase>> = {
  async UnixDomainSockets(context) {
    await using work = await context.snapshotter.prepare("work");
    await withMounts(context, work.mounts, async (mounted) => {
      const listener = Deno.listen({ transport: "unix", path: `${mounted}/s` });
      const client = await Deno.connect({
        transport: "unix",
        path: `${mounted}/s`,
      });
      const server = await listener.accept();
      client.close();
      server.close();
      listener.close();
    });
    await work.commit("layer");
    await withView(context, "layer", () => {});
  },

  async DirectoryInodeStability(context) {
    await makeLayer(context, { name: "base" }, (mounted) => {
      Deno.mkdirSync(`${mounted}/dir`);
    });
    await using work = await context.snapshotter.prepare("work", "base");
    await withMounts(context, work.mounts, (mounted) => {
      const before = Deno.statSync(`${mounted}/dir`).ino;
      writeFiles(mounted, { "/dir/file": "1" });
      same(Deno.statSync(`${mounted}/dir`).ino, before, "the inode");
    });
  },

  async OpenFileInodeStability(context) {
    await makeLayer(context, { name: "base" }, (mounted) => {
      writeFiles(mounted, { "/file": "1" });
    });
    await using work = await context.snapshotter.prepare("work", "base");
    await withMounts(context, work.mounts, (mounted) => {
      using open = Deno.openSync(`${mounted}/file`);
      const before = open.statSync().ino;
      Deno.chmodSync(`${mounted}/file`, 0o600);
      same(open.statSync().ino, before, "the inode of the open file");
      same(Deno.statSync(`${mounted}/file`).ino, before, "that of the path");
    });
  },

  async GetCWD(context) {
    await makeLayer(context, { name: "base" }, (mounted) => {
      writeFiles(mounted, { "/a/b/file": "1" });
    });
    await using work = await context.snapshotter.prepare("work", "base");
    await withMounts(context, work.mounts, async (mounted) => {
      const { stdout } = await new Deno.Command("/bin/pwd", {
        args: ["-P"],
        cwd: `${mounted}/a/b`,
      }).output();
      const found = new TextDecoder().decode(stdout).trim();
      same(found, Deno.realPathSync(`${mounted}/a/b`), "the folder");
    });
  },

  async Chmod(context) {
    await makeLayer(context, { name: "base" }, (mounted) => {
      writeFiles(mounted, { "/dir/file": "1" });
    });
    await makeLayer(context, { name: "top", parent: "base" }, (mounted) => {
      Deno.chmodSync(`${mounted}/dir`, 0o1770);
      Deno.chmodSync(`${mounted}/dir/file`, 0o4755);
    });
    await withView(context, "top", (mounted) => {
      const mode = (path: string) =>
        (Deno.statSync(`${mounted}${path}`).mode ?? 0) & 0o7777;
      same([mode("/dir"), mode("/dir/file")], [0o1770, 0o4755], "the modes");
      same(Deno.readTextFileSync(`${mounted}/dir/file`), "1", "the text");
    });
  },
};

/** What this project promises beyond. */
export const MORE_CASES: Readonly<Record<string, SuiteCase>> = {
  async Unpack(context) {
    const { snapshotter } = context;
    const layers = [await layerOf(BASE), await layerOf(TOP)];
    const events: string[] = [];
    const { chainId } = await unpack(layers, snapshotter, {
      onProgress: ({ type }) => void (type === "apply" || events.push(type)),
    });
    same(chainId, chainIds(layers.map(({ diffId }) => diffId))[1], "the name");
    same(events.sort().join(" "), "applied applied commit commit", "events");
    await withView(context, chainId, (mounted) => {
      same(
        [...Deno.readDirSync(`${mounted}/lib64`)].map(({ name }) => name),
        ["b"],
        "/lib64",
      );
      same(Deno.statSync(`${mounted}/etc/passwd-`).nlink, 2, "names");
    });
    const closed = layers.map((layer) => ({
      ...layer,
      open: () => Promise.reject(new Error("it is there already")),
    }));
    same((await unpack(closed, snapshotter)).chainId, chainId, "again");
    same((await names(snapshotter)).length, 2, "snapshots");
  },

  async UnpackThroughLinks(context) {
    // A layer without folders of its own, whose path leads through a link below.
    const layers = [
      await layerOf([
        dir("usr", 0o711),
        dir("usr/lib", 0o750),
        symlink("usr/lib", "lib"),
        file("usr/lib/a", "a"),
      ]),
      await layerOf([file("usr/lib/b", "b")]),
      await layerOf([file("lib/c", "c")]),
      await layerOf([file("usr/lib/d", "d")]),
    ];
    const { chainId } = await unpack(layers, context.snapshotter);
    await withView(context, chainId, (mounted) => {
      same(
        describeTree(mounted).slice(1),
        [
          "/lib 777 0:0 -> usr/lib",
          "/usr 711 0:0/",
          "/usr/lib 750 0:0/",
          "/usr/lib/a 644 0:0 = a",
          "/usr/lib/b 644 0:0 = b",
          "/usr/lib/c 644 0:0 = c",
          "/usr/lib/d 644 0:0 = d",
        ],
        "the tree",
      );
    });
  },

  async UnpackHides(context) {
    // Marks in folders that the layer has no entry for, for what is below and for what is not.
    const layers = [
      await layerOf([
        dir("a"),
        file("a/b", "1"),
        file("a/c", "1"),
        file(".wh.x"),
      ]),
      await layerOf([
        file("a/.wh.b"),
        file("n/.wh.y"),
        file("n/z", "1"),
        file("q/.wh..wh..opq"),
        file("q/r/.wh.x"),
      ]),
      await layerOf([
        file("a/d", "1"),
        file("n/.wh..wh..opq"),
        file(".wh.n"),
      ]),
    ];
    const { chainId } = await unpack(layers, context.snapshotter);
    await withView(context, chainId, (mounted) => {
      const found = describeTree(mounted).map((line) => line.split(" ")[0]);
      same(found, ["", "/a", "/a/c", "/a/d"], "the tree");
    });
    const [one, two] = chainIds(layers.map(({ diffId }) => diffId));
    await withView(context, one!, (mounted) => {
      const found = describeTree(mounted).map((line) => line.split(" ")[0]);
      same(found, ["", "/a", "/a/b", "/a/c"], "the first layer");
    });
    await withView(context, two!, (mounted) => {
      const found = describeTree(mounted).map((line) => line.split(" ")[0]);
      same(found, ["", "/a", "/a/c", "/n", "/n/z"], "the second layer");
    });
  },

  async UnpackRefusesLies(context) {
    const { snapshotter } = context;
    const base = await layerOf(BASE);
    const top = await layerOf(TOP);
    for (
      const lie of [
        { diffId: base.diffId },
        { digest: base.digest },
        { size: top.size + 1 },
      ]
    ) {
      await refused(
        () => unpack([base, { ...top, ...lie }], snapshotter),
        DigestMismatchError,
        top.digest === base.digest ? "" : "unpack layer",
      );
    }
    // Where a layer is made from the one below, that one was proven and stays.
    const { rebase } = snapshotter.capabilities;
    same(
      await names(snapshotter),
      rebase.supported ? [] : [base.diffId],
      "what is left",
    );
    await refused(() => unpack([], snapshotter), TypeError, "without layers");
  },

  async UnpackStopsAtOnce(context) {
    const { snapshotter } = context;
    const controller = new AbortController();
    const never = {
      ...await layerOf(BASE),
      open: ({ signal }: { signal?: AbortSignal } = {}) => {
        controller.abort(new Error("enough"));
        return Promise.reject(signal?.reason);
      },
    };
    await refused(
      () => unpack([never], snapshotter, { signal: controller.signal }),
      Error,
      "enough",
    );
    same(await names(snapshotter), [], "what is left");
  },

  async UnpackOnce(context) {
    const { snapshotter } = context;
    await using other = await context.open();
    const layers = await smallLayers(6);
    let opened = 0;
    const counted = layers.map((layer) => ({
      ...layer,
      open: () => {
        opened++;
        return layer.open();
      },
    }));
    const all = await Promise.all([
      unpack(counted, snapshotter),
      unpack(counted.slice(0, 4), other),
      unpack(counted, other),
    ]);
    same(all[0], all[2], "the names");
    same(opened, 6, "how many layers were opened");
    same((await names(snapshotter)).length, 6, "snapshots");
  },

  async DiffApply(context) {
    const { snapshotter } = context;
    const { chainId } = await unpack([await layerOf(BASE)], snapshotter);
    await using work = await snapshotter.prepare("work", chainId);
    let expected: string[] = [];
    await withMounts(context, work.mounts, (mounted) => {
      writeFiles(mounted, { "/etc/new": "new", "/etc/passwd": "changed" });
      Deno.removeSync(`${mounted}/lib/a`);
      Deno.removeSync(`${mounted}/lib64`);
      expected = describeTree(mounted);
    });
    const { readable } = await work.diff({ compression: "gzip" });
    await using copy = await snapshotter.prepare("copy", chainId);
    const applied = await copy.apply(readable);
    await copy.commit("copied");
    await withView(context, "copied", (mounted) => {
      same(describeTree(mounted), expected, "the tree");
    });
    const again = await work.diff({ compression: "none" });
    await again.readable.pipeTo(new WritableStream());
    same((await again.digests).diffId, applied.diffId, "the diff ID");
    await work.commit("committed");
    await withView(context, "committed", (mounted) => {
      same(describeTree(mounted), expected, "the committed tree");
    });
    await using view = await snapshotter.view("view", chainId);
    await refused(() => view.diff(), SnapshotStateError, "view");
    const layer = await layerOf(BASE);
    const stream = await layer.open();
    await refused(() => view.apply(stream), SnapshotStateError, "active");
  },

  async DiffApplied(context) {
    const { snapshotter } = context;
    const source = await layerOf(BASE);
    await using work = await snapshotter.prepare("work");
    await work.apply(await source.open());
    for (const compression of ["gzip", "zstd", "none"] as const) {
      const options = compression === "gzip" ? {} : { compression };
      const { readable, digests } = await work.diff(options);
      const bytes = await new Response(readable).bytes();
      same(detectCompression(bytes), compression, "the compression");
      const found = await digests;
      same(found.compression, compression, "what is said of it");
      same(found.digest, digestBytes(bytes), "the digest");
      same(found.size, bytes.length, "the size");
    }
  },

  async VerifyRepair(context) {
    const { snapshotter } = context;
    const source = await layerOf(BASE);
    const { chainId } = await unpack([source], snapshotter);
    same(await snapshotter.verify(chainId, { source }), {
      ok: true,
      exact: true,
      problems: [],
    }, "verify");
    await snapshotter.repair(chainId, source);
    same((await snapshotter.verify(chainId, { source })).ok, true, "repaired");
    await withView(context, chainId, (mounted) => {
      same(Deno.readTextFileSync(`${mounted}/etc/passwd`), "root", "the text");
    });
    await refused(
      async () => await snapshotter.repair(chainId, await layerOf(TOP)),
      DigestMismatchError,
    );
    (await snapshotter.prepare("user", chainId)).keep();
    await refused(
      () => snapshotter.repair(chainId, source),
      SnapshotStateError,
      `"user"`,
    );
    await refused(() => snapshotter.verify("user"), SnapshotStateError);
    same(await snapshotter.fsck(), [], "what fsck finds");
  },

  async OtherHashes(context) {
    const { snapshotter } = context;
    const layers = [
      await layerOf(BASE, {
        digestAlgorithm: "sha512",
        diffIdAlgorithm: "sha384",
      }),
      await layerOf(TOP, { diffIdAlgorithm: "sha512" }),
    ];
    const { chainId } = await unpack(layers, snapshotter);
    const [, source] = layers;
    same(await snapshotter.verify(chainId, { source: source! }), {
      ok: true,
      exact: true,
      problems: [],
    }, "verify");
    await snapshotter.repair(chainId, source!);
    same((await snapshotter.verify(chainId)).ok, true, "repaired");
  },

  async Dispose(context) {
    const { snapshotter } = context;
    {
      await using _gone = await snapshotter.prepare("gone");
      const kept = await snapshotter.prepare("kept");
      kept.keep();
      await kept[Symbol.asyncDispose]();
      const committed = await snapshotter.prepare("committed");
      await committed.commit("layer");
      await committed[Symbol.asyncDispose]();
    }
    same(await names(snapshotter), ["kept", "layer"], "what is left");
    const again = await snapshotter.open("kept");
    await again[Symbol.asyncDispose]();
    await refused(() => again.commit("late"), Deno.errors.BadResource);
    let isEnded = false;
    const layer = new ReadableStream<Uint8Array>({
      cancel: () => void (isEnded = true),
    });
    await refused(() => again.apply(layer), Deno.errors.BadResource);
    check(isEnded, "a layer that is refused stays open");
    let late: Promise<void>;
    {
      await using work = await snapshotter.prepare("work");
      late = work.commit("late");
    }
    await late;
    const { promise: begun, resolve: pull } = Promise.withResolvers<void>();
    let isCalledOff = false;
    let applied: Promise<unknown>;
    {
      await using work = await snapshotter.prepare("work");
      const endless = new ReadableStream<Uint8Array>({
        pull: () => pull(),
        cancel: () => void (isCalledOff = true),
      });
      applied = refused(() => work.apply(endless), Deno.errors.BadResource);
      await begun;
    }
    check(isCalledOff, "a layer is applied to what is gone");
    await applied;
    same(await names(snapshotter), ["late", "layer"], "what is left");
  },

  async TwoOwners(context) {
    const { snapshotter } = context;
    await using other = await context.open();
    await using work = await snapshotter.prepare("work");
    await refused(() => other.remove("work"), Deno.errors.Busy, "uses it");
    await refused(() => other.commit("layer", "work"), Deno.errors.Busy);
    const [mine, theirs] = await Promise.allSettled([
      snapshotter.prepare("same"),
      other.prepare("same"),
    ]);
    check(mine.status !== theirs.status, "both got the same key");
    work.keep();
    await other.remove("work");
    await refused(() => snapshotter.stat("work"), Deno.errors.NotFound);
  },

  async Transient(context) {
    const { snapshotter } = context;
    await using other = await context.open();
    const { key } = await other.prepare("run", undefined, { transient: true });
    await snapshotter.cleanup();
    await snapshotter.stat(key);
    // As when the process dies: the lock goes, the row stays.
    await other.close();
    await snapshotter.cleanup();
    await refused(() => snapshotter.stat(key), Deno.errors.NotFound);
  },

  async OddNames(context) {
    const { snapshotter } = context;
    const odd = [" ", "a,b:c\\d", "../../etc", "näme\n", "'; DROP TABLE", "/"];
    for (const name of odd) {
      await using work = await snapshotter.prepare(`${name} work`);
      await withMounts(context, work.mounts, (mounted) => {
        writeFiles(mounted, { "/a, b:c\\d/ü e": "1" });
      });
      await work.commit(name);
      await withView(context, name, (mounted) => {
        check(exists(`${mounted}/a, b:c\\d/ü e`), "the file is not there");
      });
    }
    same(await names(snapshotter), odd.toSorted(), "the names");
    for (const bad of ["", "a\0b"]) {
      await refused(() => snapshotter.prepare(bad), TypeError, "a key is");
    }
    await refused(() => snapshotter.prepare("k".repeat(1025)), RangeError);
    const label = { labels: { a: "b".repeat(4096) } };
    await refused(() => snapshotter.prepare("k", undefined, label), RangeError);
    const unknown: object = { readOnly: true };
    await refused(
      () => snapshotter.prepare("k", undefined, unknown),
      TypeError,
      "readOnly",
    );
  },

  async Collectable(context) {
    const { snapshotter } = context;
    const { collectable } = snapshotter;
    const base = await snapshotter.prepare("a", undefined, { lease: "pull" });
    await base.commit("base");
    (await snapshotter.prepare("top", "base")).keep({ root: false });
    const all = await Array.fromAsync(collectable.list());
    same(
      all.map(({ id, lease, root }) => [id, lease, root]),
      [["base", "pull", undefined], ["top", undefined, undefined]],
      "the list",
    );
    const { type } = collectable;
    same(
      await Array.fromAsync(collectable.references("top")),
      [{ type, id: "base" }],
      "what top refers to",
    );
    same(await Array.fromAsync(collectable.references("base")), [], "base");
    same(await collectable.remove("base"), false, "removed below another");
    await snapshotter.stat("base");
    for (const id of ["top", "base"]) {
      same(await collectable.remove(id), true, "removed");
    }
    same(await collectable.remove("base"), false, "removed again");
    same(await names(snapshotter), [], "what is left");
  },

  async Keep(context) {
    const { snapshotter } = context;
    const { collectable } = snapshotter;
    await (await snapshotter.prepare("a")).commit("base");
    const roots = async () => {
      const all = await Array.fromAsync(collectable.list());
      const listed = all.filter(({ root }) => root === true);
      const walked = await Array.fromAsync(snapshotter.walk());
      same(
        walked.filter(({ root }) => root === true).map(({ name }) => name),
        listed.map(({ id }) => id),
        "what walk() says of roots",
      );
      return listed.map(({ id }) => id).sort();
    };
    // What its process leaves behind is none, whether it was under a lease or not.
    await using other = await context.open();
    const left = await other.prepare("left", "base");
    const lease = "ended";
    (await snapshotter.prepare("active", "base", { lease })).keep();
    (await snapshotter.view("view", "base")).keep();
    same(await roots(), ["active", "view"], "the roots");
    same(await collectable.remove("active"), false, "removed an active one");
    same(await collectable.remove("view"), false, "removed a view");
    // Its handle, and a process that dies with it, leave the note.
    const again = await other.open("view");
    same(await roots(), ["active", "view"], "the roots of open handles");
    again.keep({ root: false });
    left.keep();
    same(await roots(), ["active", "left"], "the roots after keep()");
    same(await collectable.remove("view"), true, "removed the view");
    await snapshotter.commit("layer", "active");
    await snapshotter.remove("left");
    same(await roots(), [], "what is left of them");
    same(await collectable.remove("layer"), true, "removed the layer");
    const unknown: object = { isRoot: false };
    await using work = await snapshotter.prepare("work");
    await refused(
      // deno-lint-ignore require-await
      async () => work.keep(unknown),
      TypeError,
      "isRoot",
    );
  },

  async Volatile(context) {
    const { snapshotter } = context;
    const { chainId } = await unpack([await layerOf(BASE)], snapshotter);
    const options = { volatile: true };
    (await snapshotter.prepare("work", chainId, options)).keep();
    for (const text of ["1", "2"]) {
      const again = await snapshotter.open("work");
      await withMounts(context, again.mounts, (mounted) => {
        writeFiles(mounted, { "/etc/new": text });
      });
      again.keep();
    }
    await snapshotter.commit("layer", "work");
    await withView(context, "layer", (mounted) => {
      same(Deno.readTextFileSync(`${mounted}/etc/new`), "2", "the text");
    });
  },

  async SizeLimit(context) {
    const { snapshotter } = context;
    const { sizeLimit } = snapshotter.capabilities;
    const options = { sizeLimit: 64 << 20 };
    if (!sizeLimit.supported) {
      await refused(
        () => snapshotter.prepare("work", undefined, options),
        Deno.errors.NotSupported,
        sizeLimit.reason,
      );
      return;
    }
    await using work = await snapshotter.prepare("work", undefined, options);
    await withMounts(context, work.mounts, (mounted) => {
      let error: unknown;
      try {
        using large = Deno.createSync(`${mounted}/large`);
        const chunk = new Uint8Array(1 << 20);
        for (let written = 0; written < 96; written++) large.writeSync(chunk);
        large.syncSync();
      } catch (thrown) {
        error = thrown;
      }
      check(
        /os error (122|28)/.test(String(error)),
        `96 MiB went into 64 MiB: ${error}`,
      );
    });
    await refused(
      () => snapshotter.prepare("k", undefined, { sizeLimit: -1 }),
      RangeError,
    );
    await makeLayer(context, { name: "base" }, (mounted) => {
      writeFiles(mounted, { "/below": "1" });
    });
    await using above = await snapshotter.prepare("above", "base", options);
    await withMounts(context, above.mounts, (mounted) => {
      same(Deno.readTextFileSync(`${mounted}/below`), "1", "what is below");
      Deno.writeFileSync(`${mounted}/large`, new Uint8Array(40 << 20));
    });
  },

  async Idmap(context) {
    const { snapshotter } = context;
    const { chainId } = await unpack([await layerOf(BASE)], snapshotter);
    const range = [{ inside: 0, outside: 100_000, size: 65_536 }];
    const options = { idmap: { uids: range, gids: range } };
    const { idmap } = snapshotter.capabilities;
    if (!idmap.supported) {
      await refused(
        () => snapshotter.prepare("work", chainId, options),
        Deno.errors.NotSupported,
        idmap.reason,
      );
      return;
    }
    await using work = await snapshotter.prepare("work", chainId, options);
    await withMounts(context, work.mounts, (mounted) => {
      for (const path of ["", "/etc", "/etc/passwd"]) {
        const { uid, gid } = Deno.lstatSync(`${mounted}${path}`);
        same([uid, gid], [100_000, 100_000], `the owner of /${path}`);
      }
    });
    await using view = await snapshotter.view("view", chainId, options);
    await withMounts(context, view.mounts, (mounted) => {
      same(
        Deno.lstatSync(`${mounted}/etc`).uid,
        100_000,
        "the owner in a view",
      );
    });
    // As a process in the user namespace: what it writes is its own in the layer, whoever reads it.
    await withMounts(context, work.mounts, async (mounted) => {
      const id = "100000";
      const script = "rm passwd; printf changed >passwd; printf new >new";
      const { success } = await new Deno.Command("setpriv", {
        args: [
          ...[`--reuid=${id}`, `--regid=${id}`, "--clear-groups"],
          ...["sh", "-c", script],
        ],
        cwd: `${mounted}/etc`,
      }).output();
      check(success, "a process of the user namespace cannot write");
      Deno.chownSync(`${mounted}/etc/new`, 100_000 + 33, 100_000 + 34);
      Deno.chmodSync(`${mounted}/etc/new`, 0o4755);
    });
    const layer = await work.diff({ compression: "none" });
    await using copy = await snapshotter.prepare("copy", chainId);
    await copy.apply(layer.readable);
    await copy.commit("copied");
    await work.commit("committed");
    for (const name of ["copied", "committed"]) {
      await withView(context, name, (mounted) => {
        const found = describeTree(mounted)
          .filter((line) => /^(| *|\/etc.*) \d+ /.test(line));
        same(
          found,
          [
            " 755 0:0/",
            "/etc 755 0:0/",
            "/etc/new 4755 33:34 = new",
            "/etc/passwd 644 0:0 = changed",
            "/etc/passwd- 644 0:0 = root",
          ],
          `the owners of ${name}`,
        );
      });
    }
    // An applied layer bears its own ids in the end, and shows those of the map.
    await using applied = await snapshotter.prepare("apply", chainId, options);
    const top = await layerOf([
      { ...file("etc/user", "user"), uid: 33, gid: 34 },
      link("etc/passwd", "etc/same"),
    ]);
    await applied.apply(await top.open());
    await withMounts(context, applied.mounts, (mounted) => {
      const { uid, gid } = Deno.lstatSync(mounted);
      same([uid, gid], [100_000, 100_000], "the owner of the root");
    });
    await applied.commit("applied");
    const ids = (mounted: string) =>
      ["", "/etc", "/etc/user", "/etc/same"].map((path) => {
        const { uid, gid } = Deno.lstatSync(`${mounted}${path}`);
        return [uid, gid];
      });
    const own = [[0, 0], [0, 0], [33, 34], [0, 0]];
    await withView(context, "applied", (mounted) => {
      same(ids(mounted), own, "the owners of an applied layer");
    });
    await using shown = await snapshotter.view("shown", "applied", options);
    await withMounts(context, shown.mounts, (mounted) => {
      const mapped = own.map((pair) => pair.map((id) => id + 100_000));
      same(ids(mounted), mapped, "the owners of an applied layer in a view");
    });
  },

  async NamesThatAreNoText(context) {
    const { snapshotter } = context;
    const odd = "odd\udcff\udc80";
    const layers = [
      await layerOf([
        dir(odd),
        file(`${odd}/file`, "1"),
        link(`${odd}/file`, `${odd}-link`),
        symlink(odd, `${odd}-symlink`),
      ]),
      await layerOf([file(`${odd}/${odd}`, "2"), file("plain", "3")]),
    ];
    const { chainId } = await unpack(layers, snapshotter);
    const source = layers[1]!;
    same(
      await snapshotter.verify(chainId, { source }),
      { ok: true, exact: true, problems: [] },
      "verify",
    );
    await using work = await snapshotter.prepare("work", chainId);
    await withMounts(context, work.mounts, (mounted) => {
      writeFiles(mounted, { "/plain": "changed" });
    });
    check((await snapshotter.usage("work")).size > 0, "it takes nothing");
    const { readable } = await work.diff({ compression: "none" });
    const names: string[] = [];
    await readable.pipeThrough(new UntarStream()).pipeTo(
      new WritableStream({
        async write({ path, readable }) {
          names.push(path);
          await readable?.cancel();
        },
      }),
    );
    same(names, ["plain"], "what changed");
    await work.commit("layer");
    await using copy = await snapshotter.prepare("copy", "layer");
    const whole = await copy.diff({ compression: "none" });
    await whole.readable.pipeTo(new WritableStream());
    await withView(context, "layer", (mounted) => {
      same(
        [...Deno.readDirSync(mounted)].length,
        4,
        "how many names the root has",
      );
    });
  },

  "500Layers": deepChain,
};

/** A chain as long as the kernel allows. */
async function deepChain(context: SuiteContext): Promise<void> {
  const { snapshotter, layers: { deep: count } } = context;
  const layers = await smallLayers(count);
  const { chainId } = await unpack(layers, snapshotter, {
    durability: "none",
  });
  await withView(context, chainId, (mounted) => {
    same([...Deno.readDirSync(mounted)].length, count + 1, "the files");
    const last = String(count - 1);
    same(Deno.readTextFileSync(`${mounted}/last`), last, "the topmost file");
    same(Deno.readTextFileSync(`${mounted}/f0`), "0", "the lowest file");
  });
}
