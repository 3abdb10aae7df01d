import { SyscallError } from "@containerkit/libc";
import { mount, type Mounted } from "@containerkit/mount";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
} from "@containerkit/tests";
import { runtimeSuite } from "./testing.ts";

runtimeSuite("runc", {
  runtime: { command: "runc" },
  makeRootfs: makeBusyboxRootfs,
  test: (name, fn) => rootTest(name, fn, need("runc", "busybox")),
});

/** The controllers of cgroup v2 beside v1; read once, as they come back late after each test. */
function readControllers(): string {
  try {
    return Deno.readTextFileSync("/sys/fs/cgroup/unified/cgroup.controllers")
      .trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
const controllers = readControllers();

/**
 * crun refuses a machine with cgroup v1 whose cgroup v2 has controllers too.
 * Where that is so, mounting them as v1 takes them away from there until it is undone.
 */
async function withCrunsCgroups(fn: () => Promise<void>): Promise<void> {
  if (controllers === "") return await fn();
  await using temp = tempDir();
  await using _mounted = await mountControllers(temp.path);
  await fn();
}

/** Busy while the kernel still takes down what the test before mounted. */
async function mountControllers(target: string): Promise<Mounted> {
  for (let attempt = 1;; attempt++) {
    try {
      return await mount({
        type: "raw",
        fstype: "cgroup",
        source: "cgroup",
        options: [controllers.replaceAll(" ", ",")],
      }, target);
    } catch (error) {
      const busy = error instanceof SyscallError && error.code === "EBUSY";
      if (!busy || attempt === 250) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

runtimeSuite("crun", {
  runtime: { command: "crun" },
  makeRootfs: makeBusyboxRootfs,
  test: (name, fn) =>
    rootTest(name, () => withCrunsCgroups(fn), need("crun", "busybox")),
});
