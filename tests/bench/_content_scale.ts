// deno-lint-ignore-file no-console
// Measures a store of many blobs in a process of its own, so that the memory is that of the store. Argument: root.
import { collect, openStore } from "@containerkit/content";

const root = Deno.args[0]!;

async function time(fn: () => unknown): Promise<number> {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

const start = performance.now();
using store = await openStore({ root });
const open = performance.now() - start;

const digests: string[] = [];
for await (const { digest } of store.list()) {
  if (digests.push(digest) === 2000) break;
}
for (const digest of digests) await store.info(digest);
const info = await time(async () => {
  for (const digest of digests) await store.info(digest);
}) / digests.length;

const walks: number[] = [];
let found = 0;
for (let round = 0; round < 5; round++) {
  found = 0;
  walks.push(
    await time(async () => {
      const list = store.list({ filters: 'labels."bench.example/kept"==yes' });
      for await (const _ of list) found++;
    }),
  );
}
const mark = await time(() => collect(store, { dryRun: true, grace: 0 }));
console.log(JSON.stringify({
  open,
  info: info * 1000,
  walk: walks.toSorted((a, b) => a - b)[2]! / found * 1000,
  mark: mark / 1000,
  memory: Deno.memoryUsage().rss / 2 ** 20,
}));
