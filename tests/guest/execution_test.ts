// cgroup v2 alone, as users have it, and kernels that do not keep the exit codes of others' children.
import { testsIn } from "./guest_programs.ts";
import { guestTest } from "./guest_test_case.ts";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
/** Of the suite, what depends on cgroups, terminals and exit codes; the rest takes a guest minutes. */
const SHORT =
  '--filter="/^(stat|a container|runc: (create, start|exit codes|pausing|a kept)|crun: create, start)/"';

for (const kernel of ["uml", "6.1", "6.12"] as const) {
  guestTest("execution/", {
    kernel,
    programs: ["runc", "crun", "busybox", "mount", "umount"],
    command: testsIn(
      "execution/runtime_suite_test.ts",
      "execution/cgroups_test.ts",
      ...LONG
        ? ["execution/run_monitor_test.ts", "execution/bad_input_test.ts"]
        : [SHORT],
    ),
  });
}

// Debian's user-mode Linux has AppArmor, but begins with SELinux.
for (const kernel of ["uml", "6.12"] as const) {
  guestTest("execution/ under AppArmor", {
    kernel,
    parameters: ["security=apparmor"],
    programs: ["runc", "crun", "busybox", "apparmor_parser"],
    folders: ["/etc/apparmor.d"],
    command: `mount -t securityfs security /sys/kernel/security && ${
      testsIn("execution/apparmor_test.ts")
    }`,
  });
}

// criu 3.17 knows the kernel that it came with.
guestTest("execution/ with criu", {
  kernel: "6.1",
  programs: ["runc", "criu", "busybox", "tar", "gzip"],
  modules: [
    "unix_diag",
    "tcp_diag",
    "udp_diag",
    "raw_diag",
    "af_packet_diag",
    "netlink_diag",
    "nf_tables",
    "veth",
    "tun",
  ],
  command: testsIn("execution/checkpoint_test.ts"),
});
