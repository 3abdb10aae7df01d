/**
 * The contract of making and applying layers, as tests.
 *
 * @module
 */

import { getXattr, listXattrs } from "@containerkit/libc";
import { same } from "./_suite.ts";

/** A change to a tree, as a program would make it. */
export type TreeChange = (root: string) => void;

/** What a case of {@linkcode layerSuite} works on. Begins empty. */
export interface LayerFixture extends AsyncDisposable {
  /**
   * Makes a change on top of what is there, turns it into a layer and applies that elsewhere.
   *
   * @param change The change.
   * @param check Gets a folder that shows all layers applied so far.
   */
  apply(
    change: TreeChange,
    check: (root: string) => void,
  ): Promise<void>;
}

/** Options of {@linkcode layerSuite}. */
export interface LayerSuiteOptions {
  /**
   * Declares one test.
   *
   * @default {Deno.test}
   */
  readonly test?: (name: string, fn: () => Promise<void>) => void;
  /** Cases that the nature of the thing rules out, with the reason. */
  readonly skip?: Readonly<Record<string, string>>;
}

const dir = (path: string, mode: number): TreeChange => (root) => {
  Deno.mkdirSync(`${root}${path}`, { recursive: true });
  Deno.chmodSync(`${root}${path}`, mode);
};
const file =
  (path: string, text: string, mode = 0o644): TreeChange => (root) => {
    Deno.writeTextFileSync(`${root}${path}`, text);
    Deno.chmodSync(`${root}${path}`, mode);
  };
const chmod = (path: string, mode: number): TreeChange => (root) =>
  Deno.chmodSync(`${root}${path}`, mode);
const link = (from: string, to: string): TreeChange => (root) =>
  Deno.linkSync(`${root}${from}`, `${root}${to}`);
const symlink = (target: string, path: string): TreeChange => (root) =>
  Deno.symlinkSync(target, `${root}${path}`);
const remove = (path: string): TreeChange => (root) =>
  Deno.removeSync(`${root}${path}`, { recursive: true });
const rename = (from: string, to: string): TreeChange => (root) =>
  Deno.renameSync(`${root}${from}`, `${root}${to}`);
const all = (...changes: readonly TreeChange[]): TreeChange => (root) => {
  for (const change of changes) change(root);
};

const BASE = all(
  dir("/etc", 0o755),
  file("/etc/hosts", "127.0.0.1 localhost"),
  link("/etc/hosts", "/etc/hosts.allow"),
  dir("/usr/local/lib", 0o755),
  file("/usr/local/lib/libnothing.so", "\0\0", 0o755),
  symlink("libnothing.so", "/usr/local/lib/libnothing.so.2"),
  dir("/home", 0o755),
  dir("/home/derek", 0o700),
);
const REHOST = file("/etc/hosts", "127.0.0.1 localhost.localdomain");

/** The cases of containerd's `FSSuite`, by their names there. */
const CASES: Readonly<Record<string, readonly TreeChange[]>> = {
  Basic: [
    BASE,
    all(
      REHOST,
      file("/etc/fstab", "/dev/sda1\t/\text4\tdefaults 1 1\n", 0o600),
      file("/etc/badfile", "", 0o666),
      file("/home/derek/.zshrc", "#ZSH is just better\n", 0o640),
    ),
    all(remove("/etc/badfile"), rename("/home/derek", "/home/notderek")),
    all(remove("/usr"), remove("/etc/hosts.allow")),
    all(
      remove("/home"),
      dir("/home/derek", 0o700),
      file("/home/derek/.bashrc", "#not going away\n", 0o640),
      link("/etc/hosts", "/etc/hosts.allow"),
    ),
  ],
  Deletion: [
    all(
      dir("/test/somedir", 0o755),
      dir("/lib", 0o700),
      file("/lib/hidden", ""),
    ),
    all(
      file("/test/a", ""),
      file("/test/b", ""),
      dir("/test/otherdir", 0o755),
      file("/test/otherdir/.empty", ""),
      remove("/lib"),
      dir("/lib", 0o700),
      file("/lib/not-hidden", ""),
    ),
    all(
      remove("/test/a"),
      remove("/test/b"),
      remove("/test/otherdir"),
      file("/lib/newfile", ""),
    ),
  ],
  Update: [
    all(
      dir("/d1", 0o755),
      dir("/d2", 0o700),
      file("/d1/f1", "something..."),
      file("/d1/f2", "else..."),
      file("/d1/f3", "entirely..."),
    ),
    all(
      file("/d1/f1", "file content of a different length", 0o664),
      remove("/d1/f3"),
      file("/d1/f3", "updated content", 0o664),
      chmod("/d1/f2", 0o766),
      chmod("/d2", 0o777),
    ),
  ],
  DirectoryPermission: [
    all(dir("/d1", 0o700), dir("/d2", 0o751), dir("/d3", 0o777)),
    all(
      file("/d1/f", "irrelevant"),
      dir("/d1/d", 0o700),
      file("/d1/d/f", "irrelevant"),
      file("/d2/f", "irrelevant"),
      file("/d3/f", "irrelevant"),
    ),
  ],
  ParentDirectoryPermission: [
    all(
      dir("/d1", 0o700),
      dir("/d1/a", 0o700),
      dir("/d1/a/b", 0o700),
      dir("/d2", 0o751),
      dir("/d3", 0o777),
    ),
    all(file("/d1/a/b/f", "irrelevant"), file("/d1/a/b/g", "irrelevant")),
    all(file("/d1/f", "irrelevant"), file("/d2/f", "irrelevant")),
  ],
  HardlinkUnmodified: [BASE, REHOST, link("/etc/hosts", "/etc/hosts.deny")],
  HardlinkBeforeUnmodified: [
    BASE,
    REHOST,
    link("/etc/hosts", "/etc/before-hosts"),
  ],
  HardlinkBeforeModified: [
    BASE,
    REHOST,
    all(
      remove("/etc/hosts"),
      file("/etc/hosts", "127.0.0.1 localhost"),
      link("/etc/hosts", "/etc/before-hosts"),
    ),
  ],
};

/** Kind, mode, owner, attributes, links among one another and content of every file. */
function describe(root: string): string[] {
  const lines: string[] = [];
  const first = new Map<number | null, string>();
  const visit = (path: string) => {
    const full = `${root}${path}`;
    const info = Deno.lstatSync(full);
    const xattrs = listXattrs(full)
      .filter((name) => !/^(trusted|user)\.overlay\./.test(name))
      .map((name) => `${name}=${getXattr(full, name)?.toHex()}`);
    const other = info.isDirectory || info.nlink === 1
      ? undefined
      : first.get(info.ino);
    if (other === undefined) first.set(info.ino, path);
    const what = other !== undefined
      ? `is ${other}`
      : info.isSymlink
      ? `links to ${Deno.readLinkSync(full)}`
      : info.isFile
      ? `holds ${JSON.stringify(Deno.readTextFileSync(full))}`
      : info.isDirectory
      ? "directory"
      : "special";
    const mode = (info.mode! & 0o7777).toString(8);
    lines.push(
      [path, mode, `${info.uid}:${info.gid}`, what, ...xattrs].join(" "),
    );
    if (!info.isDirectory) return;
    const names = [...Deno.readDirSync(full)].map(({ name }) => name).sort();
    for (const name of names) visit(`${path}/${name}`);
  };
  for (const { name } of [...Deno.readDirSync(root)]) visit(`/${name}`);
  return lines.sort();
}

/**
 * Declares the tests that every way of making and applying layers must pass:
 * the eight cases of containerd's `FSSuite`, by their names there.
 *
 * Each step is also made in a plain folder, and both must be equal in kind,
 * mode, owner, attributes, hard links and content. Requires root.
 *
 * @param name What is tested.
 * @param factory Makes an empty fixture.
 * @param options How tests are declared.
 *
 * @example Usage
 * ```ts ignore
 * import { layerSuite } from "@containerkit/snapshot/testing";
 *
 * layerSuite("mine", makeFixture);
 * ```
 */
export function layerSuite(
  name: string,
  factory: () => Promise<LayerFixture>,
  options: LayerSuiteOptions = {},
): void {
  const { test = (title, fn) => Deno.test(title, fn), skip = {} } = options;
  for (const [title, changes] of Object.entries(CASES)) {
    if (Object.hasOwn(skip, title)) continue;
    test(`${name}: FSSuite ${title}`, async () => {
      await using fixture = await factory();
      const expected = Deno.makeTempDirSync({ prefix: "containerkit-" });
      try {
        for (const [step, change] of changes.entries()) {
          change(expected);
          await fixture.apply(change, (root) => {
            same(describe(root), describe(expected), `after step ${step + 1}`);
          });
        }
      } finally {
        Deno.removeSync(expected, { recursive: true });
      }
    });
  }
}
