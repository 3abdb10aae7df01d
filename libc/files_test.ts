import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  chmodAt,
  chownAt,
  fallocate,
  FallocateFlag,
  FileType,
  fsync,
  getXattr,
  linkAt,
  listXattrs,
  mkdirAt,
  mknodAt,
  openAt,
  OpenFlag,
  readDir,
  readLinkAt,
  removeXattr,
  renameAt,
  RenameFlag,
  setXattr,
  statAt,
  statFs,
  symlinkAt,
  syncFs,
  SyscallError,
  truncate,
  unlinkAt,
  utimesAt,
} from "./mod.ts";

const isRoot = Deno.uid() === 0;

function folder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "containerkit-" });
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

Deno.test("the *at calls work relative to a directory", () => {
  using temp = folder();
  using dir = openAt(undefined, temp.path, OpenFlag.DIRECTORY);
  mkdirAt(dir, "sub", 0o750);
  using sub = openAt(dir, "sub", OpenFlag.DIRECTORY);
  mknodAt(sub, "file", { mode: FileType.REGULAR | 0o640 });
  linkAt({ directory: sub, path: "file" }, { directory: dir, path: "second" });
  symlinkAt("sub/file", { directory: dir, path: "link" });
  assertEquals(readLinkAt(dir, "link"), "sub/file");
  assertEquals(statAt(dir, "second").links, 2);
  renameAt({ directory: dir, path: "second" }, {
    directory: sub,
    path: "third",
  });
  assertEquals(
    [...readDir(sub)].map(({ name }) => name).sort(),
    ["file", "third"],
  );
  assertEquals(
    [...readDir(dir)].map(({ name, type }) => [name, type]).sort(),
    [["link", FileType.SYMLINK], ["sub", FileType.DIRECTORY]],
  );
  unlinkAt(sub, "file");
  unlinkAt(sub, "third");
  unlinkAt(dir, "sub", { directory: true });
  unlinkAt(dir, "link");
  using again = openAt(dir, ".", OpenFlag.DIRECTORY);
  assertEquals([...readDir(again)], []);
});

Deno.test("paths of any letters and lengths reach the kernel as they are", () => {
  using temp = folder();
  for (
    const name of [
      "é",
      "a\u{1F600}b",
      "x".repeat(255),
      "日".repeat(85),
      "-",
      " ",
    ]
  ) {
    const path = `${temp.path}/${name}`;
    mkdirAt(undefined, path);
    // Both paths of one call.
    renameAt({ path }, { path: `${temp.path}/other` });
    renameAt({ path: `${temp.path}/other` }, { path });
    assert(Deno.statSync(path).isDirectory);
    unlinkAt(undefined, path, { directory: true });
  }
  for (const path of ["a\0b", "é\0", "\0"]) {
    assertThrows(() => statAt(undefined, path), TypeError, "NUL");
    assertThrows(() => renameAt({ path: "/a" }, { path }), TypeError, "NUL");
  }
  const error = assertThrows(
    () => statAt(undefined, `/${"x/".repeat(5000)}`),
    SyscallError,
  );
  assertEquals(error.code, "ENAMETOOLONG");
});

Deno.test("renameAt() swaps two names in one step", () => {
  using temp = folder();
  Deno.writeTextFileSync(`${temp.path}/a`, "a");
  Deno.writeTextFileSync(`${temp.path}/b`, "b");
  renameAt(
    { path: `${temp.path}/a` },
    { path: `${temp.path}/b` },
    RenameFlag.EXCHANGE,
  );
  assertEquals(Deno.readTextFileSync(`${temp.path}/a`), "b");
});

Deno.test("statAt() agrees with Deno.lstat", () => {
  using temp = folder();
  Deno.writeTextFileSync(`${temp.path}/a`, "hello");
  symlinkAt("a", { path: `${temp.path}/link` });
  for (const name of ["a", "link", "."]) {
    const ours = statAt(undefined, `${temp.path}/${name}`);
    const theirs = Deno.lstatSync(`${temp.path}/${name}`);
    assertEquals(ours.mode, theirs.mode);
    assertEquals(ours.size, theirs.size);
    assertEquals(ours.inode, BigInt(theirs.ino!));
    assertEquals(ours.links, theirs.nlink);
    assertEquals(ours.uid, theirs.uid);
    assertEquals(ours.gid, theirs.gid);
    assertEquals(ours.blocks, theirs.blocks);
    assertEquals(
      ours.mtime / 1_000_000n,
      BigInt(theirs.mtime!.getTime()),
    );
  }
  assertEquals(
    statAt(undefined, `${temp.path}/link`, { follow: true }).size,
    5,
  );
});

Deno.test("statAt() reads a descriptor by the empty path", () => {
  using file = openAt(undefined, "/etc/hostname", OpenFlag.PATH);
  assertEquals(
    statAt(file, "").inode,
    statAt(undefined, "/etc/hostname").inode,
  );
});

Deno.test("statAt() reads the numbers of a device", () => {
  const { deviceMajor, deviceMinor, mode } = statAt(undefined, "/dev/null");
  assertEquals([deviceMajor, deviceMinor], [1, 3]);
  assertEquals(mode & FileType.MASK, FileType.CHAR);
});

Deno.test("utimesAt() keeps what is left out and reaches before 1970", () => {
  using temp = folder();
  const path = `${temp.path}/a`;
  Deno.writeTextFileSync(path, "");
  const { atime } = statAt(undefined, path);
  utimesAt(undefined, path, { mtime: -1n });
  assertEquals(statAt(undefined, path).mtime, -1n);
  assertEquals(statAt(undefined, path).atime, atime);
  symlinkAt("a", { path: `${temp.path}/link` });
  utimesAt(undefined, `${temp.path}/link`, { mtime: 7n, atime: 8n });
  assertEquals(statAt(undefined, `${temp.path}/link`).mtime, 7n);
  assertEquals(statAt(undefined, path).mtime, -1n);
});

Deno.test("chmodAt() sets the upper bits whatever the umask", () => {
  using temp = folder();
  chmodAt(undefined, temp.path, 0o7751);
  assertEquals(statAt(undefined, temp.path).mode & 0o7777, 0o7751);
});

Deno.test({
  name: "chownAt() sets a link itself, mknodAt() makes large device numbers",
  ignore: !isRoot,
  fn() {
    using temp = folder();
    symlinkAt("nowhere", { path: `${temp.path}/link` });
    chownAt(undefined, `${temp.path}/link`, { uid: 12, gid: 100_000 });
    const { uid, gid } = statAt(undefined, `${temp.path}/link`);
    assertEquals([uid, gid], [12, 100_000]);
    chownAt(undefined, `${temp.path}/link`, { gid: 5 });
    for (const id of [2 ** 32, 2 ** 32 - 1, -1, 0.5, NaN]) {
      for (const owner of [{ uid: id }, { gid: id }]) {
        assertThrows(
          () => chownAt(undefined, `${temp.path}/link`, owner),
          RangeError,
          `to ${id}: expected an integer`,
        );
      }
    }
    assertEquals(statAt(undefined, `${temp.path}/link`).uid, 12);
    mknodAt(undefined, `${temp.path}/device`, {
      mode: FileType.CHAR | 0o600,
      major: 300,
      minor: 70_000,
    });
    const stat = statAt(undefined, `${temp.path}/device`);
    assertEquals([stat.deviceMajor, stat.deviceMinor], [300, 70_000]);
  },
});

Deno.test({
  name: "xattrs are set, listed, read and removed by path and by descriptor",
  ignore: !isRoot,
  fn() {
    using temp = folder();
    const path = `${temp.path}/a`;
    Deno.writeTextFileSync(path, "");
    using file = openAt(undefined, path, OpenFlag.RDWR);
    const value = new Uint8Array([0, 1, 255]);
    setXattr(path, "trusted.one", value);
    setXattr(file, "trusted.two", new Uint8Array(0));
    assertEquals(listXattrs(file).sort(), ["trusted.one", "trusted.two"]);
    assertEquals(getXattr(file, "trusted.one"), value);
    assertEquals(getXattr(path, "trusted.two"), new Uint8Array(0));
    assertEquals(getXattr(path, "trusted.three"), undefined);
    const error = assertThrows(
      () => setXattr(path, "trusted.one", value, { only: "create" }),
      SyscallError,
      `Cannot set the attribute "trusted.one" of "${path}"`,
    );
    assertEquals(error.code, "EEXIST");
    removeXattr(path, "trusted.one");
    removeXattr(file, "trusted.two");
    assertEquals(listXattrs(path), []);
    // A link has its own.
    symlinkAt("a", { path: `${temp.path}/link` });
    setXattr(`${temp.path}/link`, "trusted.link", value);
    assertEquals(listXattrs(path), []);
    assertEquals(listXattrs(`${temp.path}/link`), ["trusted.link"]);
  },
});

Deno.test("fallocate() punches holes, truncate() grows without space", async () => {
  using temp = folder();
  const path = `${temp.path}/a`;
  using file = openAt(undefined, path, OpenFlag.RDWR | OpenFlag.CREAT);
  fallocate(file, { length: 1 << 20 });
  const full = statAt(file, "").blocks;
  assert(full >= 2048, `${full} blocks`);
  fallocate(file, {
    length: 1 << 20,
    flags: FallocateFlag.KEEP_SIZE | FallocateFlag.PUNCH_HOLE,
  });
  truncate(file, 2 << 20);
  fsync(file);
  fsync(file, { dataOnly: true });
  await syncFs(file);
  assertEquals(statAt(file, "").size, 2 << 20);
  assert(statAt(file, "").blocks < 2048);
});

Deno.test("syncFs() fails for what is closed or no file of a filesystem to sync", async () => {
  const file = openAt(undefined, "/etc/hostname", OpenFlag.PATH);
  await assertRejects(() => syncFs(file), SyscallError, "EBADF");
  file.close();
  await assertRejects(() => syncFs(file), Deno.errors.BadResource);
});

Deno.test("statFs() gives the same by path and descriptor", () => {
  using root = openAt(undefined, "/", OpenFlag.PATH);
  const a = statFs("/");
  const b = statFs(root);
  assertEquals([a.type, a.size, a.blockSize], [b.type, b.size, b.blockSize]);
  assert(a.size > a.free && a.free >= a.available);
});

Deno.test("a refused call names what was done, the path and the reason", () => {
  const cases: readonly [string, () => unknown][] = [
    ["mkdirat failed with ENOENT", () => mkdirAt(undefined, "/no/such")],
    ["unlinkat failed with ENOENT", () => unlinkAt(undefined, "/no/such")],
    ["statx failed with ENOENT", () => statAt(undefined, "/no/such")],
    ["readlinkat failed with EINVAL", () => readLinkAt(undefined, "/etc")],
    ["fchmodat failed with ENOENT", () => chmodAt(undefined, "/no/such", 0)],
    ["fchownat failed with ENOENT", () => chownAt(undefined, "/no/such", {})],
    [
      "utimensat failed with ENOENT",
      () => utimesAt(undefined, "/no/such", { mtime: 0n }),
    ],
    ["statfs failed with ENOENT", () => statFs("/no/such")],
    ["lgetxattr failed with ENOENT", () => getXattr("/no/such", "user.a")],
    ["llistxattr failed with ENOENT", () => listXattrs("/no/such")],
    ["symlinkat failed with EEXIST", () => symlinkAt("a", { path: "/etc" })],
    [
      "renameat2 failed with ENOENT",
      () => renameAt({ path: "/no/such" }, { path: "/no/such2" }),
    ],
  ];
  for (const [reason, call] of cases) {
    const error = assertThrows(call, SyscallError, reason);
    assert(error.path === "/no/such" || error.path === "/etc");
    assert(error.message.startsWith("Cannot "));
  }
});
