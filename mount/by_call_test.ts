import { assert, assertEquals, assertRejects } from "@std/assert";
import { FileType, statAt, SyscallError } from "@containerkit/libc";
import { listMounts, type Mount, mount, statMount, withTemp } from "./mod.ts";
import { forceRefusedMountApi } from "./_mount_api.ts";
import { rootTest, tempDir } from "../tests/mod.ts";

/** A test of mount(2) alone: by order here, and by a filter that refuses the rest in refused_test.ts. */
function byCallTest(name: string, fn: () => Promise<void>): void {
  rootTest(`by mount(2): ${name}`, async () => {
    forceRefusedMountApi("fsopen is refused by a test");
    const before = listMounts().length;
    try {
      await fn();
      assertEquals(listMounts().length, before);
    } finally {
      forceRefusedMountApi(undefined);
    }
  });
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

byCallTest("attributes are those of the mount, and complete", async () => {
  await using temp = tempDir();
  const all = {
    readonly: true,
    nosuid: true,
    nodev: true,
    noexec: true,
    nosymfollow: true,
    atime: "noatime",
    nodiratime: true,
    propagation: "shared",
  } as const;
  const words = [
    "ro",
    "nosuid",
    "nodev",
    "noexec",
    "noatime",
    "nodiratime",
    "nosymfollow",
  ];
  Deno.mkdirSync(`${temp.path}/source`);
  Deno.mkdirSync(`${temp.path}/target`);
  const mounts: readonly Mount[] = [
    { type: "bind", source: `${temp.path}/source`, ...all },
    { type: "tmpfs", size: 1 << 20, mode: 0o750, ...all },
    {
      type: "raw",
      fstype: "proc",
      source: "p",
      options: ["hidepid=2"],
      ...all,
    },
  ];
  for (const given of mounts) {
    await using _ = await mount(given, `${temp.path}/target`);
    const { options, propagation } = statMount(`${temp.path}/target`);
    for (const word of words) assert(options.includes(word), `${options}`);
    assert(propagation[0]?.startsWith("shared:"));
    // A bind takes over what it is not told otherwise.
    await withTemp(
      { type: "bind", source: `${temp.path}/target`, noexec: false },
      (path) => {
        const { options } = statMount(path);
        assert(options.includes("nosuid") && options.includes("ro"));
        assert(!options.includes("noexec"), `${options}`);
      },
    );
  }
});

byCallTest("the recursive words hold for the mounts below", async () => {
  await using temp = tempDir();
  Deno.mkdirSync(`${temp.path}/a/below`, { recursive: true });
  await using _below = await mount({ type: "tmpfs" }, `${temp.path}/a/below`);
  await withTempRecursive({
    type: "bind",
    source: `${temp.path}/a`,
    recursive: true,
    readonly: "recursive",
    nosuid: true,
  }, (path) => {
    const { options } = statMount(`${path}/below/.`);
    assert(options.includes("ro") && !options.includes("nosuid"));
  });
});

async function withTempRecursive(
  given: Mount,
  use: (path: string) => void,
): Promise<void> {
  await using temp = tempDir();
  const mounted = await mount(given, temp.path);
  use(temp.path);
  await mounted.unmount({ recursive: true });
}

byCallTest("files, parts and nested mounts", async () => {
  await using temp = tempDir();
  const { path } = temp;
  Deno.mkdirSync(`${path}/a/etc`, { recursive: true });
  Deno.mkdirSync(`${path}/b`);
  Deno.symlinkSync("/etc", `${path}/a/link`);
  Deno.writeTextFileSync(`${path}/a/etc/inside`, "1");
  Deno.writeTextFileSync(`${path}/place`, "");
  {
    await using _ = await mount(
      { type: "bind", source: `${path}/a/etc/inside`, readonly: true },
      `${path}/place`,
    );
    assertEquals(Deno.readTextFileSync(`${path}/place`), "1");
    const { mode } = statAt(undefined, `${path}/place`);
    assertEquals(mode & FileType.MASK, FileType.REGULAR);
  }
  const lower: Mount[] = [
    { type: "bind", source: `${path}/b` },
    { type: "overlay", lower: [`${path}/a`, `${path}/b`] },
  ];
  await withTemp(
    { type: "bind", source: `${path}/a`, subpath: "link" },
    (target) => assertEquals(names(target), ["inside"]),
  );
  await withTemp({ type: "overlay", lower, subpath: "link" }, (target) => {
    assertEquals(names(target), ["inside"]);
    assert(statMount(target).options.includes("ro"));
  });
});

byCallTest("what it has no way for says so", async () => {
  const range = { inside: 0, outside: 100_000, size: 65_536 };
  await assertRejects(
    () =>
      withTemp(
        { type: "tmpfs", idmap: { uids: [range], gids: [range] } },
        () => {},
      ),
    Deno.errors.NotSupported,
    "only mount_setattr(2) can, and fsopen is refused",
  );
  const raw = { type: "raw", fstype: "tmpfs", source: "x" } as const;
  await assertRejects(
    () => withTemp({ ...raw, options: ["huge=never,never"] }, () => {}),
    TypeError,
    "takes the comma for its end",
  );
  await assertRejects(
    () =>
      withTemp({
        type: "overlay",
        lower: ["/etc", "/usr"],
        options: { xino: "off,volatile" },
      }, () => {}),
    TypeError,
    'the option "xino" has a comma',
  );
  await assertRejects(
    () => withTemp({ ...raw, options: [`a=${"b".repeat(5000)}`] }, () => {}),
    TypeError,
    "mount(2) drops what is beyond 4095",
  );
  const error = await assertRejects(
    () => withTemp({ ...raw, options: ["none"] }, () => {}),
    SyscallError,
    "mount failed with EINVAL",
  );
  assertEquals(error.syscall, "mount");
});
