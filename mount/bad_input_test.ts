import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SyscallError } from "@containerkit/libc";
import {
  listMounts,
  type Mount,
  mount,
  stage,
  unmount,
  withTemp,
} from "./mod.ts";
import { overlayMode } from "./_overlay_mode.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { need, program, rootTest, tempDir } from "../tests/mod.ts";

async function fails(
  given: Mount,
  target: string,
  expected: { code: string; message?: string },
): Promise<void> {
  const before = listMounts().length;
  const error = await assertRejects(
    () => mount(given, target),
    SyscallError,
    expected.message,
  );
  assertEquals(
    [error.code, error.target, listMounts().length],
    [expected.code, target, before],
  );
}

rootTest("sources and places that do not go are named", async () => {
  await using temp = tempDir();
  const { path } = temp;
  const target = `${path}/target`;
  Deno.mkdirSync(target);
  Deno.mkdirSync(`${path}/a/sub`, { recursive: true });
  Deno.writeTextFileSync(`${path}/file`, "");
  Deno.symlinkSync("loop", `${path}/loop`);
  const bind = (source: string): Mount => ({ type: "bind", source });
  await fails(bind(`${path}/none`), target, {
    code: "ENOENT",
    message: `Cannot bind "${path}/none" on "${target}": ${
      refusedMountApi() === undefined ? "open_tree" : "mount"
    } failed with ENOENT: the source does not exist`,
  });
  await fails(bind(`${path}/loop`), target, { code: "ELOOP" });
  await fails(bind(`${path}/a`), `${path}/loop`, { code: "ELOOP" });
  await fails(bind(`${path}/a`), `${path}/file/x`, { code: "ENOTDIR" });
  await fails(bind(`${path}/a`), `${path}/file`, {
    code: "EINVAL",
    message: "one is a directory and the other is not",
  });
  await fails(bind(`${path}/file`), target, {
    code: "EINVAL",
    message: "one is a directory and the other is not",
  });
  // What a process that ended had open.
  const child = new Deno.Command("true").spawn();
  await child.status;
  await fails(bind(`/proc/${child.pid}/fd/0`), target, {
    code: "ENOENT",
    message: "the source does not exist",
  });
  await fails({ ...bind(`${path}/a`), subpath: "sub/none" } as Mount, target, {
    code: "ENOENT",
    message:
      `Cannot find "sub/none" in "${path}/a" on "${target}": openat2 failed with ENOENT`,
  });
  await assertRejects(
    () => mount(bind(`${path}/a\0b`), target),
    TypeError,
    "it contains NUL",
  );
});

rootTest("words that are none are refused, and not passed over", async () => {
  await using temp = tempDir();
  for (const words of ['"propagation":"rslaved"', '"atime":"never"']) {
    const given: Mount = JSON.parse(`{"type":"tmpfs",${words}}`);
    await assertRejects(
      () => mount(given, temp.path),
      TypeError,
      "there is no such",
    );
  }
  assertEquals(listMounts({ under: temp.path }), []);
});

rootTest("layers that are inside each other are refused", async () => {
  await using temp = tempDir();
  const { path } = temp;
  for (const name of ["target", "a/sub", "b", "work"]) {
    Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  }
  await fails(
    { type: "overlay", lower: [`${path}/a`, `${path}/a/sub`] },
    `${path}/target`,
    { code: "ELOOP", message: "a layer, upper or work is inside another" },
  );
  await fails(
    {
      type: "overlay",
      lower: [`${path}/b`],
      upper: `${path}/a`,
      work: `${path}/a/sub`,
    },
    `${path}/target`,
    { code: "EINVAL" },
  );
  const shared = {
    type: "overlay",
    lower: [`${path}/b`],
    upper: `${path}/a`,
    work: `${path}/work`,
    options: { index: "on" },
  } as const;
  await using _ = await mount(shared, `${path}/target`);
  Deno.mkdirSync(`${path}/second`);
  await fails(shared, `${path}/second`, {
    code: "EBUSY",
    message: "another overlay has this upper or work directory",
  });
});

rootTest(
  "what the layers cannot do together is said in words",
  async () => {
    await using temp = tempDir();
    const { path } = temp;
    for (const name of ["target", "a", "b", "upper", "work"]) {
      Deno.mkdirSync(`${path}/${name}`);
    }
    const overlay = {
      type: "overlay",
      lower: [`${path}/a`, `${path}/b`],
      upper: `${path}/upper`,
      work: `${path}/work`,
    } as const;
    const isOld = overlayMode() === "page";
    const words: readonly (readonly [Record<string, string | true>, string])[] =
      [
        [{ userxattr: true, metacopy: "on" }, "userxattr"],
        [{ userxattr: true, redirect_dir: "on" }, "userxattr"],
        [{ xino: "perhaps" }, isOld ? "mount failed" : "xino=perhaps"],
        [{ index: "maybe" }, isOld ? "mount failed" : "index=maybe"],
      ];
    for (const [options, message] of words) {
      await fails({ ...overlay, options }, `${path}/target`, {
        code: "EINVAL",
        message,
      });
    }
    // A volatile upper that was not cleaned.
    await withTemp({ ...overlay, volatile: true }, () => {});
    await fails(overlay, `${path}/target`, {
      code: "EINVAL",
      message: "an upper that was volatile and not cleaned",
    });
  },
);

rootTest(
  "read-only sources and places say so",
  async () => {
    await using temp = tempDir();
    const { path } = temp;
    Deno.mkdirSync(`${path}/target`);
    Deno.mkdirSync(`${path}/view`);
    Deno.writeFileSync(`${path}/image`, new Uint8Array(1 << 20));
    const { success } = await new Deno.Command(program("mkfs.ext4")!, {
      args: ["-q", `${path}/image`],
    }).output();
    assertEquals(success, true);
    await using _ = await mount(
      { type: "bind", source: path, readonly: true },
      `${path}/view`,
    );
    await fails(
      { type: "image", source: `${path}/view/image`, fstype: "ext4" },
      `${path}/target`,
      { code: "EROFS" },
    );
    const error = assertThrows(() => Deno.mkdirSync(`${path}/view/new`));
    const staged = await assertRejects(
      () => stage({ type: "tmpfs" }, `${path}/view/new`),
      Error,
    );
    assertEquals(staged.name, (error as Error).name);
  },
  need("mkfs.ext4"),
);

rootTest(
  "unmount() names the processes and the mounts that hold it",
  async () => {
    await using temp = tempDir();
    const target = `${temp.path}/target`;
    Deno.mkdirSync(target);
    await using mounted = await mount({ type: "tmpfs" }, target);
    Deno.mkdirSync(`${target}/below`);
    const child = new Deno.Command("cat", {
      cwd: target,
      stdin: "piped",
      stdout: "null",
    }).spawn();
    try {
      await assertRejects(
        () => unmount(target, { retry: 0 }),
        SyscallError,
        `used by process ${child.pid} (cat)`,
      );
    } finally {
      await child.stdin.close();
      await child.status;
    }
    await using _below = await mount({ type: "tmpfs" }, `${target}/below`);
    const error = await assertRejects(
      () => unmount(target, { retry: 0 }),
      SyscallError,
      `a mount on "${target}/below"`,
    );
    assertEquals([error.code, error.path], ["EBUSY", target]);
    await _below.unmount();
    await mounted.unmount();
  },
);
