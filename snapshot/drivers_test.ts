import { rootTest, tempDir } from "@containerkit/tests";
import { openOverlay, openTarindex, type Snapshotter } from "./mod.ts";
import { snapshotterSuite } from "./testing.ts";

/** A store in a folder with a name that mount options cannot take as it is. */
function suite(
  name: string,
  open: (options: { root: string }) => Promise<Snapshotter>,
): void {
  snapshotterSuite(name, async () => {
    const temp = tempDir({ dir: "/var/tmp" });
    const root = `${temp.path}/a, b:c\\d`;
    Deno.mkdirSync(root);
    const snapshotter = await open({ root });
    return {
      snapshotter,
      open: () => open({ root }),
      async [Symbol.asyncDispose]() {
        await snapshotter.close();
        temp[Symbol.dispose]();
      },
    };
  }, { test: (title, fn) => rootTest(title, fn) });
}

suite("overlay", openOverlay);
suite("tarindex", openTarindex);
