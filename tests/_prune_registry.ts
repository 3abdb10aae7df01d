/**
 * Collects garbage in a registry's folder, for tests: `ROOT COUNT`. It kills itself once it removed so many things; if it is 0 it goes
 * on until it is killed, and prints how many things it removed each time. It says `ready` before the first.
 */
import { collect, openStore } from "@containerkit/content";
import {
  createCollectable,
  createFileIndex,
  pruneRegistry,
} from "@containerkit/distribution/registry";

const [root, count] = Deno.args as [string, string];
using store = await openStore({ root });
const index = createFileIndex(`${root}/registry`);
let removed = 0;
const onProgress = () => {
  removed++;
  if (removed === Number(count)) Deno.kill(Deno.pid, "SIGKILL");
};
console.log("ready");
do {
  removed = 0;
  await pruneRegistry({
    store,
    index,
    untagged: true,
    leaveBlobs: true,
    onProgress,
  });
  const collectables = [createCollectable(index)];
  await collect(store, { collectables, onProgress });
  console.log(removed);
} while (Number(count) === 0);
