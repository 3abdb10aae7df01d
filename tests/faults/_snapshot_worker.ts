// Unpacks, prepares, commits and removes at random, for as long as it lives.
// Arguments: driver, root, seed.
import {
  openOverlay,
  openTarindex,
  type Snapshotter,
  unpack,
} from "@containerkit/snapshot";
import { openNative } from "@containerkit/snapshot/native";
import { imageLayers } from "./_snapshot_world.ts";

const [driver = "overlay", root = "", seedText = "1"] = Deno.args;
const OPEN = {
  overlay: openOverlay,
  tarindex: openTarindex,
  native: openNative,
};
let seed = Number(seedText);

function random(below: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor(seed / 2 ** 32 * below);
}

/** What another process may do at the same moment. */
const EXPECTED = [
  Deno.errors.NotFound,
  Deno.errors.AlreadyExists,
  Deno.errors.Busy,
];

const OPERATIONS: readonly ((store: Snapshotter) => Promise<unknown>)[] = [
  (store) => unpack(imageLayers(random(3)), store),
  async (store) => {
    const { chainId } = await unpack(imageLayers(random(3)), store);
    (await store.prepare(`work-${random(8)}`, chainId)).keep();
  },
  async (store) => {
    await using work = await store.prepare(`own-${random(1e9)}`, undefined, {
      transient: true,
    });
    if (random(2) === 0) await work.commit(`layer-${random(8)}`);
  },
  (store) => store.commit(`layer-${random(8)}`, `work-${random(8)}`),
  (store) => store.remove(`work-${random(8)}`),
  (store) => store.remove(`layer-${random(8)}`),
  async (store) => {
    for await (const { name, kind } of store.walk({ kind: "committed" })) {
      if (kind === "committed" && random(4) === 0) {
        await store.collectable.remove(name);
      }
    }
  },
];

const store = await OPEN[driver as keyof typeof OPEN]({ root });
// deno-lint-ignore no-console
console.log("ready");
for (;;) {
  try {
    await OPERATIONS[random(OPERATIONS.length)]!(store);
  } catch (error) {
    const isExpected = EXPECTED.some((kind) => error instanceof kind) ||
      (error instanceof Error && error.name === "SnapshotStateError");
    if (!isExpected) {
      // deno-lint-ignore no-console
      console.error(error);
      Deno.exit(3);
    }
  }
}
