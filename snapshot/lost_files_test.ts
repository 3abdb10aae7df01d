import { assertEquals, assertRejects } from "@std/assert";
import { rootTest, tempDir } from "@containerkit/tests";
import { openOverlay, openTarindex } from "./mod.ts";

// What another process finds that looked a snapshot up just before it was removed.
for (
  const [driver, open] of Object.entries({
    overlay: openOverlay,
    tarindex: openTarindex,
  })
) {
  rootTest(
    `${driver}: commit() and open() give NotFound for a snapshot without its files`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using store = await open({ root: temp.path });
      (await store.prepare("work")).keep();
      const layers = `${temp.path}/snapshots/${driver}/layers`;
      const [folder] = [...Deno.readDirSync(layers)];
      Deno.removeSync(`${layers}/${folder!.name}`, { recursive: true });
      for (
        const call of [
          () => store.commit("layer", "work"),
          () => store.open("work"),
        ]
      ) {
        await assertRejects(
          call,
          Deno.errors.NotFound,
          'snapshot "work": its files are gone',
        );
      }
      await store.remove("work");
      assertEquals(await store.fsck(), []);
    },
  );
}
