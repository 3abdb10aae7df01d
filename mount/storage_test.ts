import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { openAt, OpenFlag, SyscallError, write } from "@containerkit/libc";
import { mount, openLoopDevice, statMount, unmount } from "./mod.ts";
import {
  createSubvolume,
  deleteSubvolume,
  disableQuota,
  enableQuota,
  isSubvolume,
  limitSubvolume,
  listSubvolumes,
  setSubvolumeReadonly,
  snapshotSubvolume,
  subvolumeInfo,
  subvolumeQuota,
} from "./btrfs.ts";
import {
  projectOf,
  quotaOf,
  setProject,
  setQuota,
  whyNoQuota,
} from "./quota.ts";
import { cloneFile, whyNoReflink } from "./reflink.ts";
import {
  need,
  program,
  quotasMissing,
  rootTest,
  tempDir,
} from "../tests/mod.ts";

const MiB = 1 << 20;

async function makeImage(
  path: string,
  { fstype, size, flags = [] }: {
    fstype: string;
    size: number;
    flags?: readonly string[];
  },
): Promise<void> {
  using file = await Deno.create(path);
  await file.truncate(size);
  const { success, stderr } = await new Deno.Command(
    program(`mkfs.${fstype}`)!,
    { args: [...flags, path], stdin: "null", stdout: "null", stderr: "piped" },
  ).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** A filesystem of that type on a folder `fs` of a temporary one. */
async function filesystem(
  fstype: "ext4" | "xfs" | "btrfs",
  flags: readonly string[] = [],
): Promise<{ path: string; image: string } & AsyncDisposable> {
  const temp = tempDir();
  const image = `${temp.path}/image`;
  const path = `${temp.path}/fs`;
  Deno.mkdirSync(path);
  try {
    await makeImage(image, { fstype, size: 320 * MiB, flags });
    const mounted = await mount({ type: "image", source: image, fstype }, path);
    return {
      path,
      image,
      async [Symbol.asyncDispose]() {
        await mounted.unmount({ retry: 10_000 });
        await temp[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await temp[Symbol.asyncDispose]();
    throw error;
  }
}

function writeMany(path: string, bytes: number): SyscallError | undefined {
  using file = openAt(undefined, path, OpenFlag.WRONLY | OpenFlag.CREAT);
  const chunk = new Uint8Array(MiB).fill(7);
  try {
    for (let done = 0; done < bytes; done += chunk.length) write(file, chunk);
    return undefined;
  } catch (error) {
    if (error instanceof SyscallError) return error;
    throw error;
  }
}

for (const fstype of ["ext4", "xfs", "btrfs"] as const) {
  rootTest(
    `an image of ${fstype} mounts, refuses writes when told, and frees its device`,
    async () => {
      await using temp = tempDir();
      const image = `${temp.path}/image`;
      const target = `${temp.path}/target`;
      Deno.mkdirSync(target);
      await makeImage(image, { fstype, size: 320 * MiB });
      {
        await using _ = await mount(
          { type: "image", source: image, fstype },
          target,
        );
        Deno.writeTextFileSync(`${target}/file`, "hello");
      }
      {
        await using _ = await mount({
          type: "image",
          source: image,
          fstype,
          readonly: true,
          options: fstype === "ext4" ? ["noload"] : [],
        }, target);
        assertEquals(Deno.readTextFileSync(`${target}/file`), "hello");
        assertThrows(() => Deno.writeTextFileSync(`${target}/file`, ""));
      }
      const error = await assertRejects(
        () => mount({ type: "image", source: "/etc/hostname", fstype }, target),
        SyscallError,
      );
      assert(error.message.includes(`on "${target}"`), error.message);
    },
    need(`mkfs.${fstype}`),
  );
}

rootTest(
  "openLoopDevice() shows a part of a file and follows its size",
  async () => {
    await using temp = tempDir();
    const path = `${temp.path}/file`;
    Deno.writeFileSync(path, new Uint8Array(MiB).fill(1));
    {
      using device = openLoopDevice(path, { offset: 4096, size: 8192 });
      using disk = Deno.openSync(device.path);
      const bytes = new Uint8Array(16384);
      assertEquals(disk.readSync(bytes), 8192);
      assertEquals(bytes[0], 1);
    }
    using device = openLoopDevice(path);
    Deno.truncateSync(path, 2 * MiB);
    device.refreshSize();
    using disk = Deno.openSync(device.path);
    assertEquals(disk.seekSync(0, Deno.SeekMode.End), 2 * MiB);
    assertThrows(
      () => openLoopDevice("/no/such"),
      SyscallError,
      'Cannot open "/no/such"',
    );
  },
);

rootTest(
  "subvolumes are made, snapshotted, listed, limited and deleted",
  async () => {
    await using fs = await filesystem("btrfs");
    const base = `${fs.path}/base`;
    createSubvolume(base);
    assert(isSubvolume(base));
    assert(!isSubvolume(`${fs.path}/none`));
    Deno.writeTextFileSync(`${base}/file`, "1");
    Deno.mkdirSync(`${base}/deep/er`, { recursive: true });
    createSubvolume(`${base}/deep/er/nested`);
    createSubvolume(`${base}/deep/er/nested/inner`);
    assertEquals(listSubvolumes(base), ["deep/er/nested"]);
    snapshotSubvolume(base, `${fs.path}/copy`, { readonly: true });
    assertEquals(Deno.readTextFileSync(`${fs.path}/copy/file`), "1");
    assertThrows(() => Deno.writeTextFileSync(`${fs.path}/copy/x`, ""));
    assertEquals(subvolumeInfo(`${fs.path}/copy`).readonly, true);
    setSubvolumeReadonly(`${fs.path}/copy`, false);
    Deno.writeTextFileSync(`${fs.path}/copy/x`, "");
    const info = subvolumeInfo(base);
    assertEquals([info.name, info.parent, info.readonly], ["base", 5, false]);
    {
      Deno.mkdirSync(`${fs.path}/../sub`);
      const device = statMount(fs.path).source;
      await using _ = await mount(
        { type: "btrfs", device, subvolid: info.id },
        `${fs.path}/../sub`,
      );
      assertEquals(Deno.readTextFileSync(`${fs.path}/../sub/file`), "1");
    }
    const error = assertThrows(
      () => deleteSubvolume(base),
      SyscallError,
      "another subvolume is below it",
    );
    assertEquals(error.code, "ENOTEMPTY");
    deleteSubvolume(base, { recursive: true });
    deleteSubvolume(`${fs.path}/copy`);
    assertEquals([...Deno.readDirSync(fs.path)], []);
    assertThrows(
      () => createSubvolume(`${fs.path}/../ext`),
      SyscallError,
      "it is not on btrfs",
    );
    assertThrows(() => createSubvolume("relative"), TypeError);
    assertThrows(
      () => createSubvolume(`${fs.path}/${"x".repeat(256)}`),
      RangeError,
    );
  },
  need("mkfs.btrfs"),
);

rootTest(
  "limitSubvolume() is enforced and subvolumeQuota() counts",
  async () => {
    await using fs = await filesystem("btrfs");
    const path = `${fs.path}/limited`;
    createSubvolume(path);
    assertThrows(
      () => limitSubvolume(path, { bytes: MiB }),
      SyscallError,
      "quotas are off",
    );
    try {
      enableQuota(fs.path);
    } catch (error) {
      // Before Linux 6.7 there is only the way that scans.
      assert(error instanceof SyscallError && error.code === "EINVAL");
      enableQuota(fs.path, { simple: false });
    }
    limitSubvolume(path, { bytes: 8 * MiB });
    assertEquals(subvolumeQuota(path).bytes, 8 * MiB);
    assertEquals(writeMany(`${path}/file`, 64 * MiB)?.code, "EDQUOT");
    await new Deno.Command("sync", { args: ["-f", path] }).output();
    const { usedBytes } = subvolumeQuota(path);
    assert(usedBytes > 4 * MiB && usedBytes <= 8 * MiB, `${usedBytes}`);
    limitSubvolume(path, { bytes: 0 });
    assertEquals(subvolumeQuota(path).bytes, undefined);
    assertEquals(writeMany(`${path}/second`, 16 * MiB), undefined);
    assertThrows(() => limitSubvolume(path, { bytes: -1 }), RangeError);
    disableQuota(fs.path);
  },
  need("mkfs.btrfs"),
);

rootTest(
  "cloneFile() shares blocks on xfs and btrfs, and copies holes as holes elsewhere",
  async () => {
    for (const fstype of ["xfs", "btrfs"] as const) {
      await using fs = await filesystem(fstype);
      assertEquals(whyNoReflink(fs.path), undefined);
      writeMany(`${fs.path}/a`, 4 * MiB);
      assertEquals(await cloneFile(`${fs.path}/a`, `${fs.path}/b`), "reflink");
      assertEquals(
        await cloneFile(`${fs.path}/a`, `${fs.path}/c`, { reflink: "never" }),
        "copy",
      );
      assertEquals(
        Deno.readFileSync(`${fs.path}/a`),
        Deno.readFileSync(`${fs.path}/c`),
      );
      assertEquals([...Deno.readDirSync(fs.path)].length, 3);
    }
    await using temp = tempDir();
    const sparse = `${temp.path}/sparse`;
    {
      using file = openAt(undefined, sparse, OpenFlag.WRONLY | OpenFlag.CREAT);
      write(file, new Uint8Array(5000).fill(1), { offset: 64 * MiB });
      write(file, new Uint8Array(5000).fill(2), { offset: 1 * MiB });
    }
    Deno.truncateSync(sparse, 128 * MiB);
    const seen: number[] = [];
    await cloneFile(sparse, `${temp.path}/copy`, {
      reflink: "never",
      onProgress: ({ bytes }) => seen.push(bytes),
    });
    const copy = Deno.statSync(`${temp.path}/copy`);
    assertEquals(copy.size, 128 * MiB);
    assert(copy.blocks! < 200, `${copy.blocks} blocks`);
    assertEquals(seen.length, 2);
    const { stdout, success } = await new Deno.Command("cmp", {
      args: [sparse, `${temp.path}/copy`],
    }).output();
    assert(success, new TextDecoder().decode(stdout));
    const stop = new AbortController();
    await assertRejects(
      () =>
        cloneFile(sparse, `${temp.path}/stopped`, {
          reflink: "never",
          signal: stop.signal,
          onProgress: () => stop.abort(new Error("stop")),
        }),
      Error,
      "stop",
    );
    assertThrows(
      () => Deno.statSync(`${temp.path}/stopped`),
      Deno.errors.NotFound,
    );
    await assertRejects(
      () => cloneFile(sparse, `${temp.path}/copy`),
      SyscallError,
      "EEXIST",
    );
  },
  need("mkfs.btrfs", "mkfs.xfs"),
);

rootTest(
  "projects are kept by xfs, and a filesystem without quotas says what to do",
  async () => {
    await using fs = await filesystem("xfs");
    const path = `${fs.path}/project`;
    Deno.mkdirSync(path);
    assertEquals(projectOf(path), 0);
    setProject(path, 4_000_000_000);
    assertEquals(projectOf(path), 4_000_000_000);
    Deno.mkdirSync(`${path}/below`);
    assertEquals(projectOf(`${path}/below`), 4_000_000_000);
    setProject(path, 0);
    Deno.mkdirSync(`${path}/outside`);
    assertEquals(projectOf(`${path}/outside`), 0);
    assertThrows(() => setProject(path, -1), RangeError);
    assertThrows(() => setQuota(path, 0, { bytes: 1 }), RangeError);
    assertThrows(() => setQuota(path, 1, { bytes: -1 }), RangeError);
    for (
      const call of [
        () => setQuota(path, 1, { bytes: MiB }),
        () => quotaOf(path, 1),
      ]
    ) {
      const error = assertThrows(call, SyscallError, "project 1");
      assert(error.detail !== undefined, error.message);
    }
    assert(whyNoQuota(path) !== undefined);
    assertEquals(whyNoQuota("/proc"), "the filesystem has no projects");
  },
  need("mkfs.xfs"),
);

for (const fstype of ["ext4", "xfs"] as const) {
  rootTest(
    `setQuota() on ${fstype} is enforced, also through an overlay, and quotaOf() counts`,
    async () => {
      await using temp = tempDir();
      const image = `${temp.path}/image`;
      const path = `${temp.path}/fs`;
      Deno.mkdirSync(path);
      await makeImage(image, {
        fstype,
        size: 320 * MiB,
        flags: fstype === "ext4"
          ? ["-q", "-O", "project,quota", "-E", "quotatype=prjquota"]
          : [],
      });
      await using _ = await mount({
        type: "image",
        source: image,
        fstype,
        options: [fstype === "ext4" ? "prjquota" : "pquota"],
      }, path);
      assertEquals(whyNoQuota(path), undefined);
      for (const name of ["lower", "active", "target"]) {
        Deno.mkdirSync(`${path}/${name}`);
      }
      setProject(`${path}/active`, 7);
      Deno.mkdirSync(`${path}/active/upper`);
      Deno.mkdirSync(`${path}/active/work`);
      setQuota(path, 7, { bytes: 8 * MiB, inodes: 100 });
      await using _overlay = await mount({
        type: "overlay",
        lower: [`${path}/lower`],
        upper: `${path}/active/upper`,
        work: `${path}/active/work`,
      }, `${path}/target`);
      const error = writeMany(`${path}/target/file`, 64 * MiB);
      assert(error?.code === "EDQUOT" || error?.code === "ENOSPC");
      const quota = quotaOf(path, 7);
      assertEquals([quota.bytes, quota.inodes], [8 * MiB, 100]);
      assert(quota.usedBytes > 6 * MiB && quota.usedBytes <= 8 * MiB);
      assert(quota.usedInodes >= 4);
      setQuota(path, 7, { bytes: 0 });
      assertEquals(quotaOf(path, 7).inodes, 100);
      assertEquals(writeMany(`${path}/target/second`, 16 * MiB), undefined);
    },
    need(`mkfs.${fstype}`) ?? quotasMissing(),
  );
}

rootTest("an unmounted image can be mounted at once again", async () => {
  await using temp = tempDir();
  const image = `${temp.path}/image`;
  const target = `${temp.path}/target`;
  Deno.mkdirSync(target);
  await makeImage(image, { fstype: "ext4", size: 16 * MiB, flags: ["-q"] });
  for (let round = 0; round < 5; round++) {
    await mount({ type: "image", source: image, fstype: "ext4" }, target);
    await unmount(target);
  }
}, need("mkfs.ext4"));
