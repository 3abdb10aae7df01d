import { exists } from "./_folders.ts";
import {
  check,
  describeTree,
  makeLayer,
  refused,
  same,
  type SuiteCase,
  type SuiteContext,
  withMounts,
  withView,
  writeFiles,
} from "./_suite.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";

/** The cases of containerd's suite that are about files, by their names there. */
export const FILE_CASES: Readonly<Record<string, SuiteCase>> = {
  async Basic(context) {
    const { snapshotter } = context;
    {
      await using work = await snapshotter.prepare("preparing");
      await withMounts(context, work.mounts, (dir) => {
        writeFiles(dir, { "/foo": "foo\n", "/a/b/c/file": "1" });
      });
      await work.commit("base");
    }
    const base = await snapshotter.stat("base");
    same([base.kind, base.parent], ["committed", undefined], "the layer");
    await refused(() => snapshotter.stat("preparing"), Deno.errors.NotFound);

    await using next = await snapshotter.prepare("next", "base");
    await withMounts(context, next.mounts, (dir) => {
      same(Deno.readTextFileSync(`${dir}/foo`), "foo\n", "/foo");
      same(Deno.readTextFileSync(`${dir}/a/b/c/file`), "1", "/a/b/c/file");
      writeFiles(dir, { "/bar": "bar\n", "/foo": "changed\n" });
      Deno.removeSync(`${dir}/a/b`, { recursive: true });
    });
    const active = await snapshotter.stat("next");
    same([active.kind, active.parent], ["active", "base"], "the active one");
    await next.commit("second");
    const second = await snapshotter.stat("second");
    same([second.kind, second.parent], ["committed", "base"], "the second");

    const walked = new Map<string, unknown>();
    for await (const info of snapshotter.walk()) walked.set(info.name, info);
    same(
      walked.get("second"),
      await snapshotter.stat("second"),
      "walk and stat",
    );
    same(walked.get("base"), base, "walk and stat of the base");

    await withView(context, "second", (dir) => {
      same(Deno.readTextFileSync(`${dir}/foo`), "changed\n", "/foo");
      same(Deno.readTextFileSync(`${dir}/bar`), "bar\n", "/bar");
      check(exists(`${dir}/a`) && !exists(`${dir}/a/b`), "/a/b is still there");
    });
    await refused(
      () => snapshotter.remove("base"),
      SnapshotStateError,
      "remove",
    );
    await snapshotter.remove("second");
    await snapshotter.remove("base");
  },

  async LayerFileupdate(context) {
    const { snapshotter } = context;
    // Five rounds that begin at a second: times of whole seconds must not hide a change of the same size.
    for (let round = 1; round <= 5; round++) {
      const base = `base-${round}`;
      await makeLayer(context, { name: base }, (dir) => {
        writeFiles(dir, { "/etc/hosts": "127.0.0.1  1\n", "/bin/sh": "sh" });
      });
      await makeLayer(
        context,
        { name: `top-${round}`, parent: base },
        (dir) => {
          writeFiles(dir, { "/etc/hosts": "127.0.0.1  2\n" });
          Deno.chmodSync(`${dir}/bin/sh`, 0o755);
        },
      );
      await withView(context, `top-${round}`, (dir) => {
        same(
          Deno.readTextFileSync(`${dir}/etc/hosts`),
          "127.0.0.1  2\n",
          "the second text",
        );
        same(
          (Deno.statSync(`${dir}/bin/sh`).mode ?? 0) & 0o7777,
          0o755,
          "the second mode",
        );
      });
      await snapshotter.remove(`top-${round}`);
    }
  },

  async RemoveDirectoryInLowerLayer(context) {
    await makeLayer(context, { name: "l1" }, (dir) => {
      writeFiles(dir, { "/lib/hidden": "hidden" });
    });
    await makeLayer(context, { name: "l2", parent: "l1" }, (dir) => {
      Deno.removeSync(`${dir}/lib`, { recursive: true });
      writeFiles(dir, { "/lib/not-hidden": "not hidden" });
    });
    await makeLayer(context, { name: "l3", parent: "l2" }, (dir) => {
      writeFiles(dir, { "/lib/newhidden": "also not hidden" });
    });
    await withView(context, "l3", (dir) => {
      same(
        [...Deno.readDirSync(`${dir}/lib`)].map(({ name }) => name).sort(),
        ["newhidden", "not-hidden"],
        "/lib",
      );
    });
  },

  async Chown(context) {
    await makeLayer(context, { name: "l1" }, (dir) => {
      writeFiles(dir, { "/opt/a/b/file": "hello" });
      Deno.chownSync(`${dir}/opt/a`, 1, 1);
      Deno.chownSync(`${dir}/opt/a/b/file`, 1, 1);
    });
    await makeLayer(context, { name: "l2", parent: "l1" }, (dir) => {
      for (const path of ["/opt", "/opt/a", "/opt/a/b", "/opt/a/b/file"]) {
        Deno.chownSync(`${dir}${path}`, 7, 8);
      }
    });
    await withView(context, "l2", (dir) => {
      for (const path of ["/opt", "/opt/a", "/opt/a/b", "/opt/a/b/file"]) {
        const { uid, gid } = Deno.lstatSync(`${dir}${path}`);
        same([uid, gid], [7, 8], `the owner of ${path}`);
      }
      same(Deno.readTextFileSync(`${dir}/opt/a/b/file`), "hello", "the text");
    });
  },

  async DirectoryPermissionOnCommit(context) {
    await makeLayer(context, { name: "l1" }, (dir) => {
      for (let number = 1; number <= 6; number++) {
        Deno.mkdirSync(`${dir}/dir${number}`, { mode: 0o700 });
        writeFiles(dir, { [`/dir${number}/f`]: "1" });
      }
      Deno.chownSync(`${dir}/dir1`, 1, 1);
      Deno.chownSync(`${dir}/dir2`, 1, 1);
      Deno.chownSync(`${dir}/dir5`, 1, 1);
    });
    await makeLayer(context, { name: "l2", parent: "l1" }, (dir) => {
      Deno.chownSync(`${dir}/dir1`, 2, 2);
      Deno.removeSync(`${dir}/dir2`, { recursive: true });
      Deno.mkdirSync(`${dir}/dir2`, { mode: 0o711 });
      Deno.chownSync(`${dir}/dir3`, 3, 3);
      Deno.removeSync(`${dir}/dir4`, { recursive: true });
    });
    await makeLayer(context, { name: "l3", parent: "l2" }, (dir) => {
      Deno.mkdirSync(`${dir}/dir4`, { mode: 0o750 });
      Deno.chownSync(`${dir}/dir4`, 4, 4);
      writeFiles(dir, { "/dir1/g": "1", "/dir5/g": "1" });
    });
    await withView(context, "l3", (dir) => {
      const look = (name: string) => {
        const { mode, uid, gid } = Deno.lstatSync(`${dir}/${name}`);
        return [(mode ?? 0) & 0o7777, uid, gid];
      };
      same(look("dir1"), [0o700, 2, 2], "dir1");
      same(look("dir2"), [0o711, 0, 0], "dir2");
      same(look("dir3"), [0o700, 3, 3], "dir3");
      same(look("dir4"), [0o750, 4, 4], "dir4");
      same(look("dir5"), [0o700, 1, 1], "dir5");
      same(look("dir6"), [0o700, 0, 0], "dir6");
      check(!exists(`${dir}/dir2/f`), "what was in dir2 came back");
      check(!exists(`${dir}/dir4/f`), "what was in dir4 came back");
    });
  },

  async RemoveIntermediateSnapshot(context) {
    const { snapshotter } = context;
    await makeLayer(context, { name: "base" }, () => {});
    await makeLayer(context, { name: "inter", parent: "base" }, () => {});
    await makeLayer(context, { name: "top", parent: "inter" }, () => {});
    await refused(() => snapshotter.remove("inter"), SnapshotStateError);
    await refused(() => snapshotter.remove("base"), SnapshotStateError);
    for (const name of ["top", "inter", "base"]) await snapshotter.remove(name);
  },

  async DeletedFilesInChildSnapshot(context) {
    await makeLayer(context, { name: "l1" }, (dir) => {
      writeFiles(dir, { "/foo": "foo\n", "/foobar/f": "1" });
    });
    await makeLayer(context, { name: "l2", parent: "l1" }, (dir) => {
      Deno.removeSync(`${dir}/foobar`, { recursive: true });
      Deno.removeSync(`${dir}/foo`);
    });
    await makeLayer(context, { name: "l3", parent: "l2" }, () => {});
    await withView(context, "l3", (dir) => {
      same([...Deno.readDirSync(dir)], [], "what is left");
    });
  },

  async MoveFileFromLowerLayer(context) {
    await makeLayer(context, { name: "l1" }, (dir) => {
      writeFiles(dir, { "/dir1/f1": "f1", "/dir2/f2": "f2" });
    });
    await makeLayer(context, { name: "l2", parent: "l1" }, (dir) => {
      Deno.mkdirSync(`${dir}/dir3`);
      Deno.linkSync(`${dir}/dir1/f1`, `${dir}/dir3/f1`);
      Deno.removeSync(`${dir}/dir1/f1`);
      Deno.removeSync(`${dir}/dir2`, { recursive: true });
      writeFiles(dir, { "/dir4/dir2/f2": "f2" });
    });
    await withView(context, "l2", (dir) => {
      same(Deno.readTextFileSync(`${dir}/dir3/f1`), "f1", "/dir3/f1");
      same(Deno.readTextFileSync(`${dir}/dir4/dir2/f2`), "f2", "the moved one");
      check(!exists(`${dir}/dir1/f1`), "/dir1/f1 is still there");
      check(!exists(`${dir}/dir2`), "/dir2 is still there");
    });
  },

  async ViewReadonly(context) {
    await makeLayer(context, { name: "base" }, (dir) => {
      writeFiles(dir, { "/foo": "foo" });
    });
    await withView(context, "base", (dir) => {
      let error: unknown;
      try {
        Deno.writeTextFileSync(`${dir}/foo`, "changed");
      } catch (thrown) {
        error = thrown;
      }
      check(
        error instanceof Error && /read-only|os error 30/i.test(String(error)),
        `writing into a view: ${error}`,
      );
      same(Deno.readTextFileSync(`${dir}/foo`), "foo", "/foo");
    });
  },

  async RootPermission(context) {
    await using snapshot = await context.snapshotter.prepare("fresh");
    await withMounts(context, snapshot.mounts, (dir) => {
      same((Deno.statSync(dir).mode ?? 0) & 0o7777, 0o755, "the mode of /");
    });
  },

  async Rename(context) {
    await makeLayer(context, { name: "l1" }, (dir) => {
      writeFiles(dir, { "/a/file": "a", "/b/file": "b", "/somefile": "some" });
    });
    await makeLayer(context, { name: "l2", parent: "l1" }, (dir) => {
      Deno.renameSync(`${dir}/a/file`, `${dir}/b/file`);
      Deno.renameSync(`${dir}/somefile`, `${dir}/otherfile`);
      moveFolder(`${dir}/b`, `${dir}/c`);
    });
    await withView(context, "l2", (dir) => {
      same(Deno.readTextFileSync(`${dir}/c/file`), "a", "/c/file");
      same(Deno.readTextFileSync(`${dir}/otherfile`), "some", "/otherfile");
      check(!exists(`${dir}/b`) && !exists(`${dir}/somefile`), "old names");
    });
  },

  "128LayersMount": manyLayers,
};

/** Renames a folder as mv(1) does: overlay refuses to rename one of a lower layer, which is copied then. */
function moveFolder(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!/os error 18/.test(String(error))) throw error; // EXDEV
    Deno.mkdirSync(to);
    for (const { name } of Deno.readDirSync(from)) {
      Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
    }
    Deno.removeSync(from, { recursive: true });
  }
}

/** Layers that each rewrite, add and replace; the whole must be what a plain folder is that had the same done to it. */
async function manyLayers(context: SuiteContext): Promise<void> {
  const count = context.layers.mounted;
  const flat = `${context.temp}/flat`;
  Deno.mkdirSync(flat, { mode: 0o755 });
  const change = (dir: string, number: number) => {
    writeFiles(dir, {
      "/bottom": `way at the bottom ${number}\n`,
      "/overwriteme": `FIRST! ${number}\n`,
      [`/file${number}`]: `file ${number}\n`,
      [`/folder/${number % 7}`]: `${number}\n`,
    });
    const replaced = `${dir}/replaced`;
    if (exists(replaced)) Deno.removeSync(replaced, { recursive: true });
    writeFiles(dir, { [`/replaced/only${number}`]: "1" });
    if (number >= 10 && number % 10 === 0) {
      Deno.removeSync(`${dir}/file${number - 10}`);
    }
  };
  for (let number = 0; number < count; number++) {
    change(flat, number);
    const parent = number === 0 ? undefined : `layer-${number - 1}`;
    await makeLayer(
      context,
      { name: `layer-${number}`, parent, durability: "none" },
      (dir) => change(dir, number),
    );
  }
  await withView(context, `layer-${count - 1}`, (dir) => {
    same(describeTree(dir), describeTree(flat), `the tree of ${count} layers`);
  });
  Deno.removeSync(flat, { recursive: true });
}
