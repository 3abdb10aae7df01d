import { makeBusyboxRootfs, need, rootTest } from "@containerkit/tests";
import { runtimeSuite } from "./testing.ts";

runtimeSuite("runc", {
  runtime: { command: "runc" },
  makeRootfs: makeBusyboxRootfs,
  test: (name, fn) => rootTest(name, fn, need("runc", "busybox")),
});
