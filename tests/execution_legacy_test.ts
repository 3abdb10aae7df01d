// cgroup v1 alone, as before systemd 233: here v2 stands beside it, and is taken out of sight.
import { assertMatch } from "@std/assert";
import { need, rootTest, runProgram } from "./mod.ts";

const UNIFIED = "/sys/fs/cgroup/unified";

function missing(): string | undefined {
  try {
    Deno.statSync(UNIFIED);
    return need("runc", "busybox");
  } catch {
    return "the machine has no cgroup v1";
  }
}

rootTest("execution/ with cgroup v1 alone", async () => {
  const root = new URL("../", import.meta.url).pathname;
  const tests = [
    "execution/cgroups_test.ts",
    "execution/runtime_suite_test.ts",
  ];
  const output = await runProgram("unshare", [
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-euc",
    `umount ${UNIFIED}; exec "$@"`,
    "sh",
    Deno.execPath(),
    "test",
    "-A",
    "--no-check",
    "--no-prompt",
    "--quiet",
    `--preload=tests/preload.ts`,
    "--filter=/^(stat|a container|runc: (create, start|pausing))/",
    ...tests,
  ], { cwd: root, env: { NO_COLOR: "1" } });
  assertMatch(output, /^ok \| \d\d? passed/m);
}, missing());
