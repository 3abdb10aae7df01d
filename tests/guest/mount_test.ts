// The mounts of older kernels: the very tests of the package, where their fall-backs are the only way.
import { STORAGE_PROGRAMS, testsIn } from "./guest_programs.ts";
import { guestTest } from "./guest_test_case.ts";

for (const kernel of ["6.1", "6.12"] as const) {
  guestTest("mount/", {
    kernel,
    programs: [...STORAGE_PROGRAMS, "mkfs.erofs", "mksquashfs"],
    command: testsIn(
      "mount/mount_test.ts",
      "mount/features_test.ts",
      "mount/storage_test.ts",
      "mount/image_test.ts",
      "mount/by_call_test.ts",
    ),
  });
}
