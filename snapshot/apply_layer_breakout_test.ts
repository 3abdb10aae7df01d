import { assert, assertEquals, assertRejects } from "@std/assert";
import { TarError } from "@containerkit/tar";
import { rootTest, tempDir } from "@containerkit/tests";
import {
  dir,
  file,
  layer,
  link,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";
import { applyLayer } from "./mod.ts";

/** What containerd's table of the same names does, see `TestBreakouts` there. */
interface Breakout {
  readonly name: string;
  /** What is in the root before. */
  before?(root: string): void;
  readonly entries: readonly TestEntry[];
  /** Looks at the root afterwards; without it the archive is invalid. */
  check?(root: string): void;
}

const etc = dir("etc", 0o770);
const passwd = file("/etc/passwd", "inside");

function makePasswd(root: string): void {
  Deno.mkdirSync(`${root}/etc`);
  Deno.writeTextFileSync(`${root}/etc/passwd`, "all users");
}

function withDir(root: string): void {
  makePasswd(root);
  Deno.mkdirSync(`${root}/localetc`);
}

function withLink(target: string): (root: string) => void {
  return (root) => {
    makePasswd(root);
    Deno.writeTextFileSync(`${root}/etc/whitedout`, "ahhhh whiteout");
    Deno.symlinkSync(target, `${root}/localetc`);
  };
}

function read(root: string, path: string): string {
  return Deno.readTextFileSync(`${root}/${path}`);
}

function isMissing(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return false;
  } catch {
    return true;
  }
}

const isUnbroken = (root: string) =>
  assertEquals(read(root, "etc/unbroken"), "unbroken");

/** The links in these tests stay inside one folder, so that a plain stat shows where they go. */
function sameFile(path: string, other = "etc/passwd"): (root: string) => void {
  return (root) =>
    assertEquals(
      inode(root, path),
      Deno.lstatSync(`${root}/${other}`).ino,
      `${path} is not ${other}`,
    );
}

/** The inode of a path whose links are taken as in the root. */
function inode(root: string, path: string): number | null {
  let at = path;
  for (let links = 0; links < 10; links++) {
    const stat = Deno.lstatSync(`${root}/${at}`);
    if (!stat.isSymlink) return stat.ino;
    at = Deno.readLinkSync(`${root}/${at}`).replaceAll("../", "");
  }
  return null;
}

const usersLeft = (root: string) =>
  assertEquals(read(root, "etc/passwd"), "all users");

const BREAKOUTS: readonly Breakout[] = [
  {
    name: "SymlinkAbsolute",
    entries: [
      dir("etc"),
      symlink("/etc", "localetc"),
      file("/localetc/unbroken", "unbroken"),
    ],
    check: isUnbroken,
  },
  {
    name: "SymlinkUpAndOut",
    entries: [
      dir("etc"),
      dir("dummy"),
      symlink("/dummy/../etc", "localetc"),
      file("/localetc/unbroken", "unbroken"),
    ],
    check: isUnbroken,
  },
  {
    name: "SymlinkMultipleAbsolute",
    entries: [
      dir("etc"),
      dir("dummy"),
      symlink("/etc", "/dummy/etc"),
      symlink("/dummy/etc", "localetc"),
      file("/dummy/etc/unbroken", "unbroken"),
    ],
    check: isUnbroken,
  },
  {
    name: "SymlinkMultipleRelative",
    entries: [
      dir("etc"),
      dir("dummy"),
      symlink("/etc", "/dummy/etc"),
      symlink("./dummy/etc", "localetc"),
      file("/dummy/etc/unbroken", "unbroken"),
    ],
    check: isUnbroken,
  },
  {
    name: "SymlinkEmptyFile",
    entries: [
      dir("etc"),
      file("etc/emptied", "notempty"),
      symlink("/etc", "localetc"),
      file("/localetc/emptied"),
    ],
    check: (root) => assertEquals(read(root, "etc/emptied"), ""),
  },
  {
    name: "HardlinkRelative",
    entries: [
      etc,
      passwd,
      dir("breakouts"),
      symlink("../../etc", "breakouts/d1"),
      link("/breakouts/d1/passwd", "breakouts/mypasswd"),
    ],
    check: sameFile("breakouts/mypasswd"),
  },
  {
    name: "HardlinkDownAndOut",
    entries: [
      etc,
      passwd,
      dir("breakouts"),
      dir("downandout"),
      symlink("../downandout/../../etc", "breakouts/d1"),
      link("/breakouts/d1/passwd", "breakouts/mypasswd"),
    ],
    check: sameFile("breakouts/mypasswd"),
  },
  {
    name: "HardlinkAbsolute",
    entries: [
      etc,
      passwd,
      symlink("/etc", "localetc"),
      link("/localetc/passwd", "localpasswd"),
    ],
    check: sameFile("localpasswd"),
  },
  {
    name: "HardlinkRelativeLong",
    entries: [
      etc,
      passwd,
      symlink("../../../../../../../etc", "localetc"),
      link("/localetc/passwd", "localpasswd"),
    ],
    check: sameFile("localpasswd"),
  },
  {
    name: "HardlinkRelativeUpAndOut",
    entries: [
      etc,
      passwd,
      dir("upandout"),
      symlink("upandout/../../../etc", "localetc"),
      link("/localetc/passwd", "localpasswd"),
    ],
    check: sameFile("localpasswd"),
  },
  {
    name: "HardlinkDirectRelative",
    entries: [etc, passwd, link("../../../../../etc/passwd", "localpasswd")],
    check: sameFile("localpasswd"),
  },
  {
    name: "HardlinkDirectAbsolute",
    entries: [etc, passwd, link("/etc/passwd", "localpasswd")],
    check: sameFile("localpasswd"),
  },
  {
    name: "SymlinkParentDirectory",
    entries: [
      etc,
      passwd,
      symlink("/etc/", ".."),
      link("/etc/passwd", "localpasswd"),
    ],
    check: sameFile("localpasswd"),
  },
  {
    name: "SymlinkEmptyFilename",
    entries: [
      etc,
      passwd,
      symlink("/etc/", ""),
      link("/etc/passwd", "localpasswd"),
    ],
    check: sameFile("localpasswd"),
  },
  {
    name: "SymlinkParentRelative",
    entries: [
      etc,
      passwd,
      symlink("/etc/", "localetc/sub/.."),
      link("/etc/passwd", "/localetc/localpasswd"),
    ],
    check: sameFile("etc/localpasswd"),
  },
  {
    name: "SymlinkSlashEnded",
    entries: [
      etc,
      passwd,
      dir("localetc/", 0o770),
      link("/etc/passwd", "/localetc/localpasswd"),
    ],
    check: sameFile("localetc/localpasswd"),
  },
  {
    name: "SymlinkOverrideDirectory",
    before: withDir,
    entries: [
      symlink("/etc", "localetc"),
      link("/etc/passwd", "/localetc/localpasswd"),
    ],
    check: sameFile("etc/localpasswd"),
  },
  {
    name: "SymlinkOverrideDirectoryRelative",
    before: withDir,
    entries: [
      symlink("../../etc", "localetc"),
      link("/etc/passwd", "/localetc/localpasswd"),
    ],
    check: sameFile("etc/localpasswd"),
  },
  {
    name: "DirectoryOverrideSymlink",
    before: withLink("/etc"),
    entries: [
      dir("/localetc/"),
      link("/etc/passwd", "/localetc/localpasswd"),
    ],
    check: sameFile("localetc/localpasswd"),
  },
  {
    name: "DirectoryOverrideSymlinkAndHardlink",
    before(root) {
      withLink("etc")(root);
      Deno.linkSync(`${root}/etc/passwd`, `${root}/etc/localpasswd`);
    },
    entries: [
      dir("/localetc/"),
      file("/localetc/localpasswd", "different"),
    ],
    check(root) {
      usersLeft(root);
      assertEquals(read(root, "localetc/localpasswd"), "different");
    },
  },
  { name: "WhiteoutRootParent", before: makePasswd, entries: [file(".wh...")] },
  {
    name: "WhiteoutParent",
    before: makePasswd,
    entries: [file("etc/.wh...")],
  },
  { name: "WhiteoutRoot", before: makePasswd, entries: [file(".wh..")] },
  {
    name: "WhiteoutCurrentDirectory",
    before: makePasswd,
    entries: [file("etc/.wh..")],
  },
  {
    name: "WhiteoutSymlink",
    before: withLink("/etc"),
    entries: [file(".wh.localetc")],
    check(root) {
      usersLeft(root);
      assert(isMissing(`${root}/localetc`));
    },
  },
  {
    name: "WhiteoutSymlinkPath",
    before: withLink("/etc"),
    entries: [file("localetc/.wh.whitedout")],
    check(root) {
      usersLeft(root);
      assert(isMissing(`${root}/etc/whitedout`));
    },
  },
  {
    name: "WhiteoutDirectoryName",
    before: withLink("/etc"),
    entries: [file(".wh.etc/somefile", "non-empty")],
    check(root) {
      usersLeft(root);
      assertEquals(read(root, ".wh.etc/somefile"), "non-empty");
    },
  },
  {
    name: "WhiteoutDeadSymlinkParent",
    before: withLink("/dne"),
    entries: [file("localetc/.wh.etc")],
    check: usersLeft,
  },
  {
    name: "WhiteoutRelativePath",
    before: withLink("/dne"),
    entries: [file("dne/../.wh.etc")],
    check: (root) => assert(isMissing(`${root}/etc`)),
  },
  {
    name: "SymlinkOverridePath",
    entries: [
      symlink("/../../../../tmp", "a"),
      file("a/x", "one"),
      symlink("/tmp/containerkit-outside", "a/x"),
      file("a/x", "two"),
    ],
    check(root) {
      assertEquals(read(root, "tmp/x"), "two");
    },
  },
  {
    name: "HardlinkSymlinkBeforeCreateTarget",
    entries: [
      etc,
      symlink("/etc/passwd", "localpasswd"),
      link("localpasswd", "localpasswd-dup"),
      file("/etc/passwd", "after"),
    ],
    check: sameFile("localpasswd-dup"),
  },
  {
    name: "HardlinkSymlinkRelative",
    entries: [
      etc,
      passwd,
      symlink("../../../../../etc/passwd", "passwdlink"),
      link("/passwdlink", "localpasswd"),
    ],
    check(root) {
      assertEquals(
        Deno.readLinkSync(`${root}/localpasswd`),
        Deno.readLinkSync(`${root}/passwdlink`),
      );
      sameFile("localpasswd")(root);
    },
  },
  {
    name: "HardlinkSymlinkAbsolute",
    entries: [
      etc,
      passwd,
      symlink("/etc/passwd", "passwdlink"),
      link("/passwdlink", "localpasswd"),
    ],
    check(root) {
      assertEquals(
        Deno.readLinkSync(`${root}/localpasswd`),
        Deno.readLinkSync(`${root}/passwdlink`),
      );
      sameFile("localpasswd")(root);
    },
  },
];

for (const { name, before, entries, check } of BREAKOUTS) {
  rootTest(`applyLayer() passes TestBreakouts/${name}`, async () => {
    await using temp = tempDir();
    const root = `${temp.path}/root`;
    Deno.mkdirSync(root);
    Deno.writeTextFileSync(`${temp.path}/canary`, "outside");
    before?.(root);
    if (check === undefined) {
      await assertRejects(
        () => applyLayer(layer(...entries), root),
        TarError,
        "names no file",
      );
      usersLeft(root);
    } else {
      await applyLayer(layer(...entries), root);
      check(root);
    }
    assertEquals(
      [...Deno.readDirSync(temp.path)].map((entry) => entry.name).sort(),
      ["canary", "root"],
    );
    assertEquals(read(temp.path, "canary"), "outside");
  });
}

rootTest("applyLayer() passes TestBreakouts/HardlinkSymlinkChmod", async () => {
  await using temp = tempDir();
  const root = `${temp.path}/root`;
  Deno.mkdirSync(root);
  const [target, place] = [`${temp.path}/perm400`, `${temp.path}/outside`];
  Deno.writeTextFileSync(target, "...", { mode: 0o400 });
  Deno.writeTextFileSync(place, "...", { mode: 0o640 });
  await applyLayer(
    layer(symlink(target, place), link(place, "sketchylink")),
    root,
  );
  assertEquals(Deno.lstatSync(target).mode! & 0o777, 0o400);
  assertEquals(Deno.lstatSync(place).mode! & 0o777, 0o640);
  assert(Deno.lstatSync(`${root}/sketchylink`).isSymlink);
});
