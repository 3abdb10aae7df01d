// The mounts of older kernels: the very tests of the package, where their fall-backs are the only way.
import { guestTest } from "./guest_test_case.ts";

const PROGRAMS = [
  "unshare",
  "mkfs.ext4",
  "mkfs.xfs",
  "mkfs.btrfs",
  "cmp",
  "sync",
];

for (const kernel of ["6.1", "6.12"] as const) {
  guestTest("mount/", {
    kernel,
    programs: PROGRAMS,
    command:
      "deno test -A --no-check --no-prompt --quiet --preload=tests/preload.ts mount/mount_test.ts mount/features_test.ts mount/storage_test.ts",
  });
}
