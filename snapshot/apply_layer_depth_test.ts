import { assertEquals, assertRejects } from "@std/assert";
import { describe } from "@containerkit/oci";
import { rootTest, tempDir } from "@containerkit/tests";
import { archive, dir, stream, symlink } from "./_test_layers.ts";
import { LayerError, openOverlay, unpack } from "./mod.ts";

rootTest("unpack() refuses a layer that makes a too deep tree", async () => {
  await using temp = tempDir();
  const deep = "d/".repeat(100);
  // Each link leads as deep again as the one before it.
  const entries = Array.from({ length: 12 }, (_, index) => {
    const at = index === 0 ? "" : `l${index - 1}/`;
    return [
      dir(`${at}${deep}`),
      symlink(`${at}${deep}`, `l${index}`),
    ];
  }).flat();
  const bytes = archive(entries);
  const open = () => Promise.resolve(stream(bytes));
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  const { digest, size } = await describe(mediaType, bytes);
  const layer = { mediaType, digest, size, diffId: digest, open };
  const root = `${temp.path}/store`;
  await using snapshots = await openOverlay({ root });
  await assertRejects(
    () => unpack([layer], snapshots),
    LayerError,
    "more than 1024 deep",
  );
  await snapshots.cleanup();
  for (const folder of ["layers", "trash"]) {
    assertEquals(
      [...Deno.readDirSync(`${root}/snapshots/overlay/${folder}`)],
      [],
    );
  }
});
