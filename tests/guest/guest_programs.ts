/** What the tests of mounts, snapshots and volumes call. */
export const STORAGE_PROGRAMS: readonly string[] = [
  "unshare",
  "setpriv",
  "mkfs.ext4",
  "mkfs.xfs",
  "mkfs.btrfs",
  "btrfs",
  "resize2fs",
  "xfs_growfs",
  "mount",
  "umount",
  "truncate",
  "cp",
  "cmp",
  "sync",
];

/** The command that runs tests in a guest: paths, and options of `deno test`. */
export function testsIn(...paths: string[]): string {
  return `deno test -A --no-check --no-prompt --quiet --preload=tests/preload.ts ${
    paths.join(" ")
  }`;
}
