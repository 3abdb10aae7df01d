// cgroup v2 alone, as users have it, and kernels that do not keep the exit codes of others' children.
import { guestTest } from "./guest_test_case.ts";

for (const kernel of ["6.1", "6.12"] as const) {
  guestTest("execution/", {
    kernel,
    programs: ["runc", "busybox"],
    command:
      "for name in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$name >/sys/fs/cgroup/cgroup.subtree_control; done; deno test -A --no-check --no-prompt --quiet --preload=tests/preload.ts --filter '/^(?!crun|runc: (exit|nothing|null|what|two|an |deleting))/' execution/runtime_suite_test.ts execution/cgroups_test.ts",
  });
}
