// Volumes on older kernels, with the quotas of ext4 and xfs, and through containers.
import { STORAGE_PROGRAMS, testsIn } from "./guest_programs.ts";
import { guestTest } from "./guest_test_case.ts";

for (const kernel of ["6.1", "6.12"] as const) {
  guestTest("volume/", {
    kernel,
    programs: [...STORAGE_PROGRAMS, "runc"],
    command: testsIn(
      "volume",
      "tests/volume_test.ts",
      "tests/volume_kinds_test.ts",
    ),
  });
}
