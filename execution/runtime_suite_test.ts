import { mount } from "@containerkit/mount";
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

/**
 * crun refuses a machine with cgroup v1 whose cgroup v2 has controllers too.
 * Where that is so, mounting them as v1 takes them away from there until it is undone.
 */
async function withCrunsCgroups(fn: () => Promise<void>): Promise<void> {
  const controllers = await Deno.readTextFile(
    "/sys/fs/cgroup/unified/cgroup.controllers",
  ).catch(() => "");
  if (controllers.trim() === "") return await fn();
  await using temp = tempDir();
  await using _mounted = await mount({
    type: "raw",
    fstype: "cgroup",
    source: "cgroup",
    options: [controllers.trim().replaceAll(" ", ",")],
  }, temp.path);
  await fn();
}

runtimeSuite("crun", {
  runtime: { command: "crun" },
  makeRootfs: makeBusyboxRootfs,
  test: (name, fn) =>
    rootTest(name, () => withCrunsCgroups(fn), need("crun", "busybox")),
});
