/**
 * The option words of mount(8).
 *
 * @module
 */

import { isPropagation } from "./_flags.ts";
import type { MountAttributes } from "./mount.ts";

/** What a list of option words says. */
export interface ParsedOptions {
  /** What holds for the mount itself. */
  readonly attributes: MountAttributes;
  /** Whether a part of the tree is shown at a second place, alone or with the mounts below it. */
  readonly bind?: "bind" | "rbind";
  /** Whether an existing mount is changed. */
  readonly remount?: true;
  /** Words for the filesystem, in order: its own options, and `sync`, `dirsync`, `lazytime` or `mand`. */
  readonly data: readonly string[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Words that say nothing to the kernel: the defaults, and what mount(8) keeps for itself. */
const IGNORED: ReadonlySet<string> = new Set([
  "defaults",
  "silent",
  "loud",
  "async",
  "nomand",
  "nolazytime",
  "auto",
  "noauto",
  "nouser",
  "nousers",
  "nogroup",
  "noowner",
  "_netdev",
  "nofail",
]);

/** Who else than root may mount it, which mount(8) settles; what it then does not trust holds whoever mounts it. */
const IMPLIED: Readonly<Record<string, readonly string[]>> = {
  user: ["nosuid", "nodev", "noexec"],
  users: ["nosuid", "nodev", "noexec"],
  group: ["nosuid", "nodev"],
  owner: ["nosuid", "nodev"],
};

/** By word: which attribute becomes what. An attribute that is cleared is not mentioned again. */
const ATTRIBUTES: Readonly<
  Record<string, readonly [keyof MountAttributes, unknown]>
> = {
  ro: ["readonly", true],
  rw: ["readonly", undefined],
  rro: ["readonly", "recursive"],
  rrw: ["readonly", undefined],
  nosuid: ["nosuid", true],
  suid: ["nosuid", undefined],
  rnosuid: ["nosuid", "recursive"],
  rsuid: ["nosuid", undefined],
  nodev: ["nodev", true],
  dev: ["nodev", undefined],
  rnodev: ["nodev", "recursive"],
  rdev: ["nodev", undefined],
  noexec: ["noexec", true],
  exec: ["noexec", undefined],
  rnoexec: ["noexec", "recursive"],
  rexec: ["noexec", undefined],
  nosymfollow: ["nosymfollow", true],
  symfollow: ["nosymfollow", undefined],
  noatime: ["atime", "noatime"],
  relatime: ["atime", "relatime"],
  strictatime: ["atime", "strictatime"],
  atime: ["atime", undefined],
  norelatime: ["atime", undefined],
  nostrictatime: ["atime", undefined],
  nodiratime: ["nodiratime", true],
  diratime: ["nodiratime", undefined],
};

/**
 * Reads the option words of mount(8) and of containerd: attributes of the mount,
 * propagation (also `rshared` and its kin), the recursive `rro` family; what is
 * none of them goes to the filesystem. The last of contrary words counts.
 *
 * @param options The words, such as `["rbind", "ro", "size=64m"]`.
 * @returns What they say.
 * @throws {TypeError} If a word is empty or contains NUL, or tells another tool to do what changes the mount, such as `X-containerd.mkdir.path` or `X-mount.subdir=a`.
 *
 * @example Usage
 * ```ts
 * import { parseOptions } from "@containerkit/mount";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseOptions(["rbind", "rro", "rslave", "size=1m"]), {
 *   attributes: { readonly: "recursive", propagation: "rslave" },
 *   bind: "rbind",
 *   data: ["size=1m"],
 * });
 * ```
 */
export function parseOptions(options: readonly string[]): ParsedOptions {
  const attributes: Writable<MountAttributes> = {};
  const parsed: Writable<ParsedOptions> & { data: string[] } = {
    attributes,
    data: [],
  };
  const words = options.flatMap((word) =>
    Object.hasOwn(IMPLIED, word) ? IMPLIED[word]! : [word]
  );
  for (const word of words) {
    if (word === "" || word.includes("\0")) {
      throw new TypeError(
        `Cannot read the mount options: ${JSON.stringify(word)} is no option`,
      );
    }
    if (/^x-containerd\./i.test(word)) {
      throw new TypeError(
        `Cannot mount with "${word}": it is an instruction to containerd's mount manager`,
      );
    }
    if (/^X-mount\.(?:subdir|idmap|owner|group|mode)=/.test(word)) {
      throw new TypeError(
        `Cannot mount with "${word}": only mount(8) does that; "subpath" and "idmap" are fields of a mount`,
      );
    }
    // mount(8) keeps these for itself and other tools.
    if (/^(x-|comment=)/i.test(word) || IGNORED.has(word)) continue;
    if (word === "bind" || word === "rbind") parsed.bind = word;
    else if (word === "remount") parsed.remount = true;
    else if (isPropagation(word)) attributes.propagation = word;
    else if (Object.hasOwn(ATTRIBUTES, word)) {
      const [name, value] = ATTRIBUTES[word]!;
      if (value === undefined) delete attributes[name];
      else Object.assign(attributes, { [name]: value });
    } else parsed.data.push(word);
  }
  return parsed;
}
