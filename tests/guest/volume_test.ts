// Volumes on older kernels, with the quotas of ext4 and xfs, and through containers.
import { STORAGE_PROGRAMS, testsIn } from "./guest_programs.ts";
import { guestTest } from "./guest_test_case.ts";
import { testIf } from "../test_if.ts";

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

// The emulator is slow; this guest is not, but each of these takes some ten seconds.
const QUOTAS = "containers under quotas of ext4 and xfs";
if (Deno.env.has("CONTAINERKIT_LONG")) {
  guestTest(QUOTAS, {
    kernel: "uml",
    programs: [...STORAGE_PROGRAMS, "runc"],
    command: testsIn(
      "--filter='/quota on (ext4|xfs)/'",
      "tests/volume_kinds_test.ts",
    ),
  });
} else testIf("long form", QUOTAS, () => {});
