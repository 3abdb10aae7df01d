import { openStore } from "@containerkit/content";
import type { BlobStore } from "@containerkit/distribution";
import { assertEquals } from "@std/assert";
import { tempDir } from "./mod.ts";

Deno.test("openStore() gives what a pull puts its blobs into", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  const blobs: BlobStore = store;
  assertEquals(await blobs.stat(`sha256:${"0".repeat(64)}`), undefined);
});
