/** Archives that are wrong in ways that matter, for tests. */
import { encodeText } from "@containerkit/tar";
import {
  archive,
  dir,
  file,
  link,
  symlink,
  type TestEntry,
} from "./_test_layers.ts";

const PATHS = [
  "a",
  "a/b",
  "a/b/c",
  "d",
  "d/a",
  "l",
  "l/x",
  ".wh.a",
  "a/.wh.b",
  "a/.wh..wh..opq",
  "d/.wh..wh.plnk",
];
const EVIL = [
  "..",
  "../out",
  "../../out",
  "/",
  "//out",
  "/../out",
  "a/../../out",
  "./..",
  "a/..",
  "",
  ".",
  "a//",
  "l/..",
  "l/../out",
  ".wh..",
  ".wh...",
  "a/.wh.",
  "/proc/self/root/out",
  "/dev/fd/3/out",
  "a\udcff",
  "x".repeat(120),
];
const TARGETS = [
  "a",
  "../out",
  "/",
  "..",
  "/proc/self/cwd",
  "l",
  "../../../../../../tmp",
  "d/../..",
  "/dev/fd/0",
  "l/l/l",
];

/** A random archive of entries that go over one another. */
export function randomArchive(random: () => number): Uint8Array<ArrayBuffer> {
  const pick = <T>(list: readonly T[]) =>
    list[Math.floor(random() * list.length)]!;
  const path = () => random() < 0.75 ? pick(PATHS) : pick(EVIL);
  const target = () => random() < 0.5 ? pick(PATHS) : pick(TARGETS);
  const makers: (() => TestEntry)[] = [
    () => dir(path()),
    () => file(path(), "data".repeat(Math.floor(random() * 300))),
    () => symlink(target(), path()),
    () => link(target(), path()),
    () => ({
      name: path(),
      typeflag: pick(["3", "4", "6", "7", "S", "x", "V"]),
      devmajor: 1,
      devminor: 3,
    }),
    () => ({
      ...file(path()),
      xattrs: new Map([[
        pick([
          "user.a",
          "trusted.overlay.opaque",
          "security.capability",
          "bad",
        ]),
        encodeText("v"),
      ]]),
    }),
  ];
  const entries = Array.from(
    { length: 2 + Math.floor(random() * 8) },
    () => pick(makers)(),
  );
  return archive(entries);
}

function isHeader(block: Uint8Array): boolean {
  return block[257] === 0x75 && block[258] === 0x73;
}

function fixSum(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(encodeText(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}

/** Changes bytes here and there; most headers get a right sum again, so that they are looked at. */
export function mutate(
  bytes: Uint8Array,
  random: () => number,
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  const at = (limit: number) => Math.floor(random() * limit);
  for (let count = at(4); count > 0; count--) {
    const block = copy.subarray(at(copy.length / 512) * 512).subarray(0, 512);
    const dice = random();
    if (dice < 0.3) block[at(512)] = at(256);
    else if (dice < 0.5) {
      block.set(encodeText(EVIL[at(EVIL.length)]!.slice(0, 99)), 0);
    } else if (dice < 0.6) {
      block.set(encodeText(TARGETS[at(TARGETS.length)]!), 157);
    } else if (dice < 0.7) {
      block[156] = "0123456789gxLKSVDMN\0"[at(20)]!.charCodeAt(0);
    } else if (dice < 0.8) block[124 + at(12)] = random() < 0.5 ? 0xff : 0x37;
    else if (dice < 0.9) block.set(copy.subarray(0, 512));
    else block.fill(at(2) * 0xff, at(512));
    if (isHeader(block) && random() < 0.9) fixSum(block);
  }
  return random() < 0.1 ? copy.slice(0, at(copy.length)) : copy;
}
