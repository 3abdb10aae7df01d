import { assertEquals, assertRejects } from "@std/assert";
import { describe } from "@containerkit/oci";
import { rootTest, tempDir } from "@containerkit/tests";
import { archive, file, link, stream } from "./_test_layers.ts";
import { LayerError, type LayerSource, openOverlay, unpack } from "./mod.ts";

async function source(
  ...entries: Parameters<typeof archive>[0]
): Promise<LayerSource> {
  const bytes = archive(entries);
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  const { digest, size } = await describe(mediaType, bytes);
  const open = () => Promise.resolve(stream(bytes));
  return { mediaType, digest, size, diffId: digest, open };
}

rootTest(
  "unpack() takes a layer that links to a file of the layer below it",
  async () => {
    await using temp = tempDir();
    await using snapshots = await openOverlay({ root: `${temp.path}/s` });
    const layers = [
      await source(file("d/f", "text")),
      await source(link("d/f", "g")),
      await source(file("h", "last")),
    ];
    const { chainId } = await unpack(layers, snapshots);
    await using view = await snapshots.view("v", chainId);
    const found: string[] = [];
    for (const mount of view.mounts) {
      if (mount.type !== "overlay") continue;
      for (const lower of mount.lower) {
        if (typeof lower !== "string") continue;
        for (const { name } of Deno.readDirSync(lower)) found.push(name);
        if (found.includes("g") && !found.includes("text")) {
          found.push("text");
          assertEquals(Deno.readTextFileSync(`${lower}/g`), "text");
        }
      }
    }
    assertEquals(found.sort(), ["d", "d", "g", "h", "text"]);
    const bad = [await source(file("a")), await source(link("none", "b"))];
    await assertRejects(() => unpack(bad, snapshots), LayerError, "not there");
  },
);
