import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Fd, SyscallError } from "@containerkit/libc";
import {
  type ErofsMount,
  features,
  listMounts,
  mount,
  statMount,
  withTemp,
} from "./mod.ts";
import { makeErofs, openFilesystem } from "./_open_filesystem.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { createSubvolume, subvolumeInfo } from "./btrfs.ts";
import { MountFd } from "./mount_fd.ts";
import { need, program, rootTest, tempDir } from "../tests/mod.ts";

const ENOTBLK = 15;

async function run(name: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program(name)!, {
    args,
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** A folder to make images of, and a place for one. */
function prepare(): { path: string; tree: string } & AsyncDisposable {
  const temp = tempDir();
  const tree = `${temp.path}/tree`;
  Deno.mkdirSync(tree);
  Deno.mkdirSync(`${temp.path}/target`);
  Deno.writeTextFileSync(`${tree}/file`, "hello");
  return { ...temp, path: temp.path, tree };
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

rootTest(
  "an erofs image mounts from a file, whatever its name, and is a layer",
  async () => {
    await using temp = prepare();
    const { path, tree } = temp;
    const source = `${path}/an image, of: files`;
    await run("mkfs.erofs", source, tree);
    const erofs = { type: "erofs", source } as const;
    await withTemp(erofs, (target) => {
      assertEquals(names(target), ["file"]);
      assert(statMount(target).superOptions.includes("ro"));
      assertThrows(() => Deno.writeTextFileSync(`${target}/new`, ""));
    });
    for (const name of ["upper", "work"]) Deno.mkdirSync(`${path}/${name}`);
    await withTemp({
      type: "overlay",
      lower: [erofs],
      upper: `${path}/upper`,
      work: `${path}/work`,
    }, (target) => {
      Deno.writeTextFileSync(`${target}/file`, "changed");
      assertEquals(names(`${path}/upper`), ["file"]);
    });
    const error = await assertRejects(
      () => withTemp({ ...erofs, source: `${path}/none` }, () => {}),
      SyscallError,
    );
    assertEquals(error.code, "ENOENT");
  },
  need("mkfs.erofs") ?? (Deno.build.os === "linux" ? features().erofs : ""),
);

rootTest(
  "an erofs image goes through loop devices where the kernel takes no file, and they free themselves",
  async () => {
    await using temp = prepare();
    const { path, tree } = temp;
    await run("mkfs.erofs", `${path}/image`, tree);
    const given: ErofsMount = { type: "erofs", source: `${path}/image` };
    const sources: string[] = [];
    const tree_: Fd = await makeErofs(given, (filesystem) => {
      const seen: string[] = [];
      filesystem.configure({
        set() {},
        flag() {},
        setPath: (_, value) => seen.push(value),
      });
      sources.push(...seen);
      // What kernels before 6.12 say of a plain file.
      if (!seen[0]!.startsWith("/dev/loop")) {
        throw new SyscallError("mount erofs", {
          syscall: "fsconfig",
          errno: ENOTBLK,
        });
      }
      return openFilesystem(filesystem, given);
    });
    using mounted = new MountFd(tree_);
    assertEquals(sources[0], given.source);
    assert(sources[1]!.startsWith("/dev/loop"));
    assertEquals(names(mounted.path), ["file"]);
  },
  need("mkfs.erofs") ??
    (Deno.build.os === "linux" ? refusedMountApi() : undefined),
);

rootTest(
  "a squashfs image mounts read-only and frees its device",
  async () => {
    await using temp = prepare();
    const { path, tree } = temp;
    const source = `${path}/image`;
    await run("mksquashfs", tree, source, "-no-progress", "-quiet");
    const device = await withTemp(
      { type: "image", source, fstype: "squashfs", nosuid: true },
      (target) => {
        const { type, source, options, superOptions } = statMount(target);
        assertEquals(type, "squashfs");
        assert(superOptions.includes("ro") && options.includes("nosuid"));
        assertEquals(Deno.readTextFileSync(`${target}/file`), "hello");
        return source;
      },
    );
    assert(device.startsWith("/dev/loop"));
    assertEquals(listMounts().some(({ source }) => source === device), false);
  },
  need("mksquashfs") ??
    (Deno.build.os === "linux" ? features().squashfs : undefined),
);

rootTest(
  "a subvolume of btrfs mounts by its number",
  async () => {
    await using temp = prepare();
    const { path } = temp;
    const image = `${path}/image`;
    await Deno.writeFile(image, new Uint8Array());
    await Deno.truncate(image, 320 << 20);
    await run("mkfs.btrfs", "-q", image);
    await withTemp(
      { type: "image", source: image, fstype: "btrfs" },
      async (top) => {
        createSubvolume(`${top}/sub`);
        Deno.writeTextFileSync(`${top}/sub/inside`, "");
        const subvolid = subvolumeInfo(`${top}/sub`).id;
        const device = statMount(top).source;
        await using _ = await mount(
          { type: "btrfs", device, subvolid, readonly: true },
          `${path}/target`,
        );
        assertEquals(names(`${path}/target`), ["inside"]);
        assertThrows(() => Deno.writeTextFileSync(`${path}/target/x`, ""));
      },
    );
  },
  need("mkfs.btrfs"),
);
