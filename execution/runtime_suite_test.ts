import {
  makeBusyboxRootfs,
  need,
  rootTest,
  withCrunsCgroups,
} from "@containerkit/tests";
import { runtimeSuite } from "./testing.ts";

runtimeSuite("runc", {
  runtime: { command: "runc" },
  makeRootfs: makeBusyboxRootfs,
  test: (name, fn) => rootTest(name, fn, need("runc", "busybox")),
});

runtimeSuite("crun", {
  runtime: { command: "crun" },
  makeRootfs: makeBusyboxRootfs,
  test: (name, fn) =>
    rootTest(name, () => withCrunsCgroups(fn), need("crun", "busybox")),
});
