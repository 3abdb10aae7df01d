/** Removes the namespaces that it is told the paths of, each when as many as two are about to. */
import { removeNetNs } from "@containerkit/network";
import { parentPort } from "node:worker_threads";

parentPort!.on("message", ({ path, gate }) => {
  const count = new Int32Array(gate);
  Atomics.add(count, 0, 1);
  while (Atomics.load(count, 0) < 2);
  let result: unknown;
  try {
    result = removeNetNs(path);
  } catch (error) {
    result = String(error);
  }
  parentPort!.postMessage(result);
});
