import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { statAt, SyscallError } from "@containerkit/libc";
import {
  features,
  isMountPoint,
  listMounts,
  type Mount,
  mount,
  open,
  stage,
  statMount,
  unmount,
  withTemp,
} from "./mod.ts";
import {
  forceOverlayMode,
  type OverlayMode,
  overlayMode,
} from "./_overlay_mode.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { rootTest, runProgram, tempDir } from "../tests/mod.ts";

/** Why nothing can be made without being attached; refused_test.ts runs all of this where a filter refuses it. */
const REFUSED = Deno.build.os === "linux" ? refusedMountApi() : undefined;
/** The call that an error names. */
const by = (call: string) => REFUSED === undefined ? call : "mount";

/** The ways of this kernel and of older ones; a newer one's only where it has it. */
const MODES: readonly OverlayMode[] = [
  "detached",
  "descriptors",
  "names",
  "page",
];

/** Declares a test once for each way of mounting an overlay. */
function overlayTest(
  name: string,
  fn: () => Promise<void>,
  missing?: string,
): void {
  for (const mode of MODES) {
    rootTest(`${name}, by ${mode}`, async () => {
      forceOverlayMode(undefined);
      if (MODES.indexOf(overlayMode()) > MODES.indexOf(mode)) return;
      forceOverlayMode(mode);
      try {
        await fn();
      } finally {
        forceOverlayMode(undefined);
      }
    }, missing);
  }
}

/** A folder with a layer for each letter, and upper, work and target. */
function layers(): { path: string } & AsyncDisposable {
  const temp = tempDir();
  for (const name of ["a", "b", "upper", "work", "target"]) {
    Deno.mkdirSync(`${temp.path}/${name}`);
  }
  Deno.writeTextFileSync(`${temp.path}/a/file`, "a");
  Deno.writeTextFileSync(`${temp.path}/a/only-a`, "a");
  Deno.writeTextFileSync(`${temp.path}/b/file`, "b");
  return temp;
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

overlayTest(
  "mount() merges layers, the first on top, and takes them away",
  async () => {
    await using temp = layers();
    const { path } = temp;
    {
      await using mounted = await mount({
        type: "overlay",
        lower: [`${path}/b`, `${path}/a`],
        upper: `${path}/upper`,
        work: `${path}/work`,
      }, `${path}/target`);
      assertEquals(mounted.target, `${path}/target`);
      assert(isMountPoint(`${path}/target`));
      assertEquals(Deno.readTextFileSync(`${path}/target/file`), "b");
      assertEquals(names(`${path}/target`), ["file", "only-a"]);
      Deno.writeTextFileSync(`${path}/target/new`, "");
      assertEquals(names(`${path}/upper`), ["new"]);
      const { type, source, options } = statMount(`${path}/target`);
      assertEquals([type, source], ["overlay", "overlay"]);
      assert(options.includes("rw"));
    }
    assert(!isMountPoint(`${path}/target`));
  },
);

overlayTest(
  "an overlay without upper, and of one layer, is read-only",
  async () => {
    await using temp = layers();
    const { path } = temp;
    for (const lower of [[`${path}/b`, `${path}/a`], [`${path}/a`]]) {
      await using _ = await mount({ type: "overlay", lower }, `${path}/target`);
      const error = assertThrows(() =>
        Deno.writeTextFileSync(`${path}/target/new`, "")
      );
      assert(error instanceof Error && error.message.includes("Read-only"));
    }
  },
);

overlayTest(
  "paths with commas, colons, backslashes and spaces are layers",
  async () => {
    await using temp = layers();
    const names = ["a,b", "c:d", "e\\f", "g h", "long".repeat(60)];
    for (const name of names) {
      for (const part of ["lower", "upper", "work"]) {
        Deno.mkdirSync(`${temp.path}/${name}/${part}`, { recursive: true });
      }
      Deno.writeTextFileSync(`${temp.path}/${name}/lower/${part(name)}`, "");
    }
    for (const name of names) {
      await using _ = await mount({
        type: "overlay",
        lower: names.map((name) => `${temp.path}/${name}/lower`),
        upper: `${temp.path}/${name}/upper`,
        work: `${temp.path}/${name}/work`,
      }, `${temp.path}/target`);
      assertEquals(
        [...Deno.readDirSync(`${temp.path}/target`)].length,
        names.length,
      );
    }
    function part(name: string): string {
      return name.slice(0, 4);
    }
  },
);

overlayTest(
  "500 layers mount, and the 501st says why it does not",
  async () => {
    await using temp = tempDir();
    const lower = Array.from({ length: 501 }, (_, index) => {
      const layer = `${temp.path}/layer-${index}`;
      Deno.mkdirSync(layer);
      Deno.writeTextFileSync(`${layer}/file-${index}`, "");
      return layer;
    });
    // mount(2) reads one page, which holds the names of some 200.
    const count = overlayMode() === "page" ? 200 : 500;
    const mount = { type: "overlay", lower: lower.slice(0, count) } as const;
    await withTemp(mount, (path) => assertEquals(names(path).length, count));
    if (count < 500) {
      await assertRejects(
        () => withTemp({ ...mount, lower: lower.slice(0, 300) }, () => {}),
        TypeError,
        "drops what is beyond 4095: merge some of them",
      );
    }
    await assertRejects(
      () => withTemp({ type: "overlay", lower }, () => {}),
      TypeError,
      "501 layers are more than the kernel's 500",
    );
  },
);

overlayTest("nested mounts are layers that nobody sees", async () => {
  await using temp = layers();
  const { path } = temp;
  const before = listMounts().length;
  await using _ = await mount({
    type: "overlay",
    lower: [
      { type: "bind", source: `${path}/b` },
      { type: "overlay", lower: [`${path}/a`, `${path}/upper`] },
    ],
  }, `${path}/target`);
  assertEquals(names(`${path}/target`), ["file", "only-a"]);
  assertEquals(listMounts().length, before + 1);
});

rootTest("attributes are those of the mount", async () => {
  await using temp = layers();
  const { path } = temp;
  await using _ = await mount({
    type: "bind",
    source: `${path}/a`,
    readonly: true,
    nosuid: true,
    nodev: true,
    noexec: true,
    nosymfollow: true,
    atime: "noatime",
    nodiratime: true,
    propagation: "shared",
  }, `${path}/target`);
  const { options, propagation } = statMount(`${path}/target`);
  for (
    const word of [
      "ro",
      "nosuid",
      "nodev",
      "noexec",
      "noatime",
      "nodiratime",
      "nosymfollow",
    ]
  ) assert(options.includes(word), `${options}`);
  assert(propagation[0]?.startsWith("shared:"));
  // A second bind of it stays read-only unless told otherwise, and can be told.
  Deno.mkdirSync(`${path}/second`);
  await using _second = await mount(
    { type: "bind", source: `${path}/target`, readonly: false },
    `${path}/second`,
  );
  assert(statMount(`${path}/second`).options.includes("rw"));
});

rootTest("readonly: recursive holds for the mounts below", async () => {
  await using temp = layers();
  const { path } = temp;
  Deno.mkdirSync(`${path}/a/below`);
  await using _below = await mount({ type: "tmpfs" }, `${path}/a/below`);
  const bind = { type: "bind", source: `${path}/a`, recursive: true } as const;
  {
    await using _ = await mount(
      { ...bind, readonly: true },
      `${path}/target`,
    );
    Deno.writeTextFileSync(`${path}/target/below/x`, "");
    await unmount(`${path}/target/below`);
  }
  {
    await using mounted = await mount(
      { ...bind, readonly: "recursive" },
      `${path}/target`,
    );
    assertThrows(() => Deno.writeTextFileSync(`${path}/target/below/y`, ""));
    await mounted.unmount({ recursive: true });
  }
});

overlayTest("subpath stays inside whatever the links say", async () => {
  await using temp = layers();
  const { path } = temp;
  Deno.symlinkSync("/etc", `${path}/a/link`);
  Deno.mkdirSync(`${path}/a/etc`);
  Deno.writeTextFileSync(`${path}/a/etc/inside`, "");
  for (const subpath of ["link", "../../etc", "/etc"]) {
    await withTemp(
      { type: "bind", source: `${path}/a`, subpath },
      (target) => assertEquals(names(target), ["inside"]),
    );
  }
  await withTemp({
    type: "overlay",
    lower: [`${path}/b`, `${path}/a`],
    subpath: "link",
    readonly: true,
  }, (target) => {
    assertEquals(names(target), ["inside"]);
    assert(statMount(target).options.includes("ro"));
  });
});

overlayTest(
  "idmap shows other ids, of binds, overlays and nested mounts",
  async () => {
    await using temp = layers();
    const { path } = temp;
    const range = { inside: 0, outside: 100_000, size: 65_536 };
    const idmap = { uids: [range], gids: [range] };
    const mounts: readonly Mount[] = [
      { type: "bind", source: `${path}/a`, idmap },
      { type: "overlay", lower: [`${path}/a`, `${path}/b`], idmap },
      { type: "overlay", lower: [`${path}/a`], idmap },
      {
        type: "overlay",
        lower: [{ type: "bind", source: `${path}/a` }, `${path}/b`],
        idmap,
      },
      // Memory can be mapped since Linux 6.3.
      ...(features().statmount === undefined
        ? [{ type: "tmpfs", idmap } as const]
        : []),
    ];
    for (const mount of mounts) {
      await withTemp(mount, (target) => {
        assertEquals(statAt(undefined, `${target}/.`).uid, 100_000);
      });
    }
    await assertRejects(
      () =>
        withTemp({
          type: "bind",
          source: path,
          idmap: { uids: [range, range], gids: [range] },
        }, () => {}),
      RangeError,
      "two ranges overlap at 0",
    );
  },
  REFUSED,
);

rootTest("open() gives a mount that goes when it is closed", async () => {
  const before = listMounts().length;
  {
    using tree = await open({ type: "tmpfs", size: 1 << 20, mode: 0o700 });
    Deno.writeTextFileSync(`${tree.path}/file`, "hello");
    assertEquals(Deno.readTextFileSync(`${tree.path}/file`), "hello");
    assertEquals(statAt(undefined, `${tree.path}/.`).mode & 0o7777, 0o700);
    assertEquals(listMounts().length, before);
  }
  await using temp = layers();
  using tree = await open({ type: "tmpfs" });
  tree.attach(`${temp.path}/target`);
  assertThrows(() => tree.path, Deno.errors.BadResource);
  await unmount(`${temp.path}/target`);
}, REFUSED);

rootTest(
  "mount() of several puts them on top of each other, and undoes them when one fails",
  async () => {
    await using temp = layers();
    const { path } = temp;
    const target = `${path}/target`;
    {
      await using _ = await mount([
        { type: "tmpfs" },
        { type: "bind", source: `${path}/a` },
      ], target);
      assertEquals(listMounts({ under: target }).length, 2);
      assertEquals(names(target), ["file", "only-a"]);
    }
    assertEquals(listMounts({ under: target }), []);
    await assertRejects(
      () =>
        mount(
          [{ type: "tmpfs" }, { type: "bind", source: "/no/such" }],
          target,
        ),
      SyscallError,
      `Cannot bind "/no/such" on "${target}": ${
        by("open_tree")
      } failed with ENOENT: the source does not exist`,
    );
    assertEquals(listMounts({ under: target }), []);
  },
);

rootTest(
  "mount() is taken away, and unmount() finds what is below, by whatever name",
  async () => {
    await using temp = layers();
    const { path } = temp;
    await Deno.mkdir(`${path}/target/inner`);
    await Deno.symlink("target", `${path}/link`);
    await Deno.symlink("target/inner", `${path}/end`);
    await Deno.mkdir(`${path}/a/below`);
    await using _below = await mount({ type: "tmpfs" }, `${path}/a/below`);
    const source: Mount = {
      type: "bind",
      source: `${path}/a`,
      recursive: true,
    };
    const inWords: Mount = {
      type: "raw",
      fstype: "none",
      source: `${path}/a`,
      options: ["rbind"],
    };
    const inner = `${path}/target/inner`;
    for (const name of ["end", "link/inner", "target/inner/"]) {
      for (const given of [source, inWords, { type: "tmpfs" } as const]) {
        await using mounted = await mount(given, `${path}/${name}`);
        assertEquals(mounted.target, inner);
      }
      assertEquals(listMounts({ under: inner }), []);
    }
    for (const name of ["link/inner", "target/inner/"]) {
      const mounted = await mount(source, inner);
      mounted.keep();
      const place = `${path}/${name}`;
      assertEquals(listMounts({ under: place }).length, 2);
      await unmount(place, { recursive: true });
      assertEquals(listMounts({ under: inner }), []);
    }
  },
);

rootTest(
  "keep() leaves it, and a stranger's mount is never taken away",
  async () => {
    await using temp = layers();
    const target = `${temp.path}/target`;
    {
      await using mounted = await mount({ type: "tmpfs" }, target);
      mounted.keep();
    }
    assert(isMountPoint(target));
    {
      // Taken away by somebody else, and something else is there now.
      const mounted = await mount({ type: "tmpfs" }, target);
      await unmount(target);
      await mounted.unmount();
      assert(isMountPoint(target));
      // Something is on top.
      const below = await mount({ type: "tmpfs" }, target);
      const above = await mount({ type: "tmpfs" }, target);
      await assertRejects(
        () => below.unmount(),
        Deno.errors.Busy,
        "something else is mounted on top",
      );
      await above.unmount();
      await below.unmount();
    }
    await unmount(target, { all: true });
    await unmount(target, { all: true });
  },
);

rootTest("unmount() of what somebody moved says so", async () => {
  await using temp = layers();
  const place = `${temp.path}/target`;
  // What lies on a shared mount cannot be moved.
  await using _place = await mount(
    { type: "tmpfs", propagation: "private" },
    place,
  );
  for (const name of ["from", "to"]) Deno.mkdirSync(`${place}/${name}`);
  const mounted = await mount({ type: "tmpfs" }, `${place}/from`);
  await runProgram("mount", ["--move", `${place}/from`, `${place}/to`]);
  await assertRejects(
    () => mounted.unmount(),
    Deno.errors.Busy,
    `Cannot unmount "${place}/from": it was moved elsewhere`,
  );
  await unmount(`${place}/to`);
  await mounted.unmount();
});

rootTest(
  "unmount() says who holds it, tries again, and detaches when told",
  async () => {
    await using temp = layers();
    const target = `${temp.path}/target`;
    await mount({ type: "tmpfs" }, target);
    {
      using _held = Deno.openSync(target);
      const error = await assertRejects(
        () => unmount(target, { retry: 0 }),
        SyscallError,
        `used by process ${Deno.pid} (deno)`,
      );
      assertEquals(error.code, "EBUSY");
      await assertRejects(
        () => unmount(target, { retry: 1e6, signal: AbortSignal.timeout(20) }),
        DOMException,
      );
    }
    const held = Deno.openSync(target);
    setTimeout(() => held.close(), 30);
    await unmount(target, { retry: 10_000 });
    await mount({ type: "tmpfs" }, target);
    using _held = Deno.openSync(target);
    await unmount(target, { detach: true });
    const error = await assertRejects(
      () => unmount(target),
      SyscallError,
      "it is no mount point",
    );
    assertEquals(error.code, "EINVAL");
  },
);

rootTest(
  "a refused mount says what, where and why, and leaves nothing",
  async () => {
    await using temp = layers();
    const { path } = temp;
    const target = `${path}/target`;
    const isOld = overlayMode() === "page";
    const before = listMounts().length;
    const lower = [`${path}/a`, `${path}/b`];
    const cases: readonly [Mount, string, string][] = [
      [
        { type: "overlay", lower: [`${path}/a`, "/no/such"] },
        target,
        isOld
          ? `Cannot mount overlay on "${target}": mount failed with ENOENT`
          : `Cannot mount overlay with lowerdir+=/no/such on "${target}": fsconfig failed with ENOENT`,
      ],
      [
        { type: "overlay", lower, options: { nonsense: "1" } },
        target,
        isOld
          ? "mount failed with EINVAL"
          : "overlay: Unknown parameter 'nonsense'",
      ],
      [
        {
          type: "overlay",
          lower,
          upper: `${path}/upper`,
          work: `${path}/work`,
        },
        "/no/place",
        `Cannot mount overlay on "/no/place": ${
          by("move_mount")
        } failed with ENOENT`,
      ],
      [
        { type: "bind", source: `${path}/a/file` },
        target,
        `Cannot mount "${path}/a/file" on "${target}": ${
          by("move_mount")
        } failed with EINVAL: one is a directory and the other is not`,
      ],
      [
        { type: "raw", fstype: "nosuchfs", source: "none", options: [] },
        target,
        `on "${target}": ${
          by("fsopen")
        } failed with ENODEV: the kernel has no filesystem "nosuchfs"`,
      ],
      [
        { type: "erofs", source: `${path}/a/file` },
        target,
        `Cannot mount erofs "${path}/a/file" on "${target}": ${
          by("fsconfig")
        } failed with EINVAL`,
      ],
      [
        { type: "image", source: `${path}/a/file`, fstype: "ext4" },
        target,
        `Cannot mount ext4 "${path}/a/file" on "${target}": ${
          by("fsconfig")
        } failed with E`,
      ],
      [
        { type: "tmpfs", size: -1 },
        target,
        REFUSED === undefined
          ? "Cannot mount tmpfs with size=-1"
          : "Cannot mount tmpfs",
      ],
    ];
    for (const [given, place, message] of cases) {
      const error = await assertRejects(
        () => mount(given, place),
        SyscallError,
        message,
      );
      assertEquals(error.target, place);
    }
    const arguments_: readonly [Mount, string][] = [
      [{ type: "bind", source: "relative" }, "no absolute path"],
      [{ type: "overlay", lower: [] }, "no lower layer"],
      [{ type: "overlay", lower, upper: "/x" }, "upper and work go together"],
      [{ type: "overlay", lower: ["a", "b"] }, `"a" is no absolute path`],
      [{ type: "nonsense" } as unknown as Mount, 'there is no type "nonsense"'],
    ];
    for (const [given, message] of arguments_) {
      await assertRejects(() => mount(given, target), TypeError, message);
    }
    await assertRejects(
      () => mount([], target),
      TypeError,
      "there is no mount",
    );
    await assertRejects(
      () =>
        mount({ type: "tmpfs" }, target, {
          signal: AbortSignal.abort(new Error("stop")),
        }),
      Error,
      "stop",
    );
    assertEquals(listMounts().length, before);
  },
);

rootTest("stage() gives a bind of what a runtime cannot mount", async () => {
  await using temp = layers();
  const { path } = temp;
  const directory = `${path}/staged`;
  {
    await using staged = await stage({
      type: "overlay",
      lower: [{ type: "bind", source: `${path}/a` }, `${path}/b`],
    }, directory);
    assertEquals(staged.mount, {
      type: "bind",
      source: directory,
      recursive: true,
      readonly: true,
    });
    assertEquals(names(directory), ["file", "only-a"]);
    await staged[Symbol.asyncDispose]();
  }
  assertThrows(() => Deno.statSync(directory), Deno.errors.NotFound);
  await assertRejects(() => stage({ type: "overlay", lower: [] }, directory));
  assertThrows(() => Deno.statSync(directory), Deno.errors.NotFound);
});

rootTest(
  "stage() tells the bind all attributes, which a runtime would take away",
  async () => {
    await using temp = layers();
    const attributes = {
      nosuid: true,
      nosymfollow: true,
      atime: "noatime",
      nodiratime: true,
      propagation: "rprivate",
    } as const;
    const directory = `${temp.path}/staged`;
    const mounts: Mount[] = [
      {
        type: "bind",
        source: temp.path,
        subpath: "a",
        readonly: "recursive",
        ...attributes,
      },
      {
        type: "raw",
        fstype: "bind",
        source: temp.path,
        options: ["rro", "nosuid", "nosymfollow", "noatime", "nodiratime"],
        propagation: "rprivate",
      },
    ];
    for (const mount of mounts) {
      await using staged = await stage(mount, directory);
      assertEquals(staged.mount, {
        type: "bind",
        source: directory,
        recursive: true,
        readonly: "recursive",
        ...attributes,
      });
    }
  },
);

rootTest("raw mounts take the words of mount(8)", async () => {
  await using temp = layers();
  const target = `${temp.path}/target`;
  {
    await using _ = await mount({
      type: "raw",
      fstype: "tmpfs",
      source: "mine",
      options: ["ro", "nosuid", "noexec", "size=1m", "nr_inodes=50", "rshared"],
    }, target);
    const { source, options, superOptions, propagation } = statMount(target);
    assertEquals(source, "mine");
    assert(superOptions.includes("nr_inodes=50"), `${superOptions}`);
    assert(options.includes("ro") && options.includes("noexec"));
    assert(propagation[0]?.startsWith("shared:"));
  }
  await using _ = await mount({
    type: "raw",
    fstype: "overlay",
    source: "overlay",
    options: [`lowerdir=${temp.path}/a:${temp.path}/b`],
  }, target);
  assertEquals(names(target), ["file", "only-a"]);
});

rootTest(
  "statMount() tells what listMounts() does, whatever the names",
  async () => {
    await using temp = tempDir();
    for (const name of ["a b", "c\\d", "e\tf\ng", "h,i", "#ü"]) {
      const path = `${temp.path}/${name}`;
      const parts = ["one", "two", "target"].map((part) => `${path}/${part}`);
      for (const part of parts) Deno.mkdirSync(part, { recursive: true });
      const [one, two, target] = parts as [string, string, string];
      await using _overlay = await mount(
        { type: "overlay", lower: [one, two] },
        target,
      );
      const source = `s ${name}`;
      await using _tmpfs = await mount(
        { type: "raw", fstype: "tmpfs", source, options: ["nr_inodes=50"] },
        one,
      );
      for (const place of [one, target]) {
        assertEquals([statMount(place)], listMounts({ under: place }));
      }
    }
  },
);
