/** Works on every kind of thread, then tells in which namespaces its own threads are. */
import { parentPort } from "node:worker_threads";

function namespaces(tasks: readonly string[]): Set<string> {
  return new Set(tasks.flatMap((task) => {
    try {
      return [Deno.readLinkSync(`/proc/self/task/${task}/ns/net`)];
    } catch {
      return []; // It ended while we looked.
    }
  }));
}

const mine = Deno.readLinkSync("/proc/thread-self/ns/net");
await Deno.readFile("/etc/passwd");
await crypto.subtle.digest("SHA-256", new Uint8Array(9));
const after = Deno.readLinkSync("/proc/thread-self/ns/net");
const tasks = Array.from(
  Deno.readDirSync("/proc/self/task"),
  ({ name }) => name,
);
const all = namespaces(tasks);
parentPort!.postMessage(
  [...new Set([mine, after])].filter((one) => all.has(one)),
);
