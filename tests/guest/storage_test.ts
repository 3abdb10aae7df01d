// Project quotas of ext4 and xfs, which not every kernel has, and growing in use, which takes a capability that not
// every root has: in user-mode Linux, so that each run of the tests sees them.
import { STORAGE_PROGRAMS, testsIn } from "./guest_programs.ts";
import { guestTest } from "./guest_test_case.ts";

guestTest("quotas of mount/, snapshot/ and volume/", {
  kernel: "uml",
  programs: STORAGE_PROGRAMS,
  command: testsIn(
    "--filter='/project quotas|setQuota|resize.. grows/'",
    "mount/storage_test.ts",
    "snapshot/limits_test.ts",
    "volume/limits_test.ts",
  ),
});
