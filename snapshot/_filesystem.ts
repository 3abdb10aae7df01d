import { statfsSync } from "node:fs";

/** Filesystems by the numbers of statfs(2). */
const NAMES: Readonly<Record<number, string>> = {
  0x6969: "nfs",
  0xff534d42: "cifs",
  0xfe534d42: "smb",
  0x01021997: "9p",
  0x65735546: "fuse",
  0x794c7630: "overlay",
  0x01021994: "tmpfs",
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0xe0f5e1e2: "erofs",
  0x61756673: "aufs",
};

/** Where locks or the memory of SQLite are not shared between all users of the files. */
const SHARED = ["nfs", "cifs", "smb", "9p"];

/** The kernel's name of the filesystem a path is on. */
export function filesystemOf(path: string): string {
  const { type } = statfsSync(path);
  return NAMES[type] ?? `filesystem 0x${type.toString(16)}`;
}

/** Refuses to keep a store where it would not be safe, or where the driver cannot work. */
export function checkFilesystem(
  root: string,
  options: { driver: string; refused: Readonly<Record<string, string>> },
): void {
  const name = filesystemOf(root);
  const reason = SHARED.includes(name)
    ? "locks and shared memory are needed that every process sees, and a network filesystem does not give them"
    : options.refused[name];
  if (reason === undefined) return;
  throw new Deno.errors.NotSupported(
    `Cannot keep ${options.driver} snapshots in "${root}", which is on ${name}: ${reason}`,
  );
}
