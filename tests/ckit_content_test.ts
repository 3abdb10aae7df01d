/**
 * What ckit shows of the content store: lists, checks, mends, explains and frees.
 */
import { openStore } from "@containerkit/content";
import { MediaType } from "@containerkit/oci";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { putBlob, putManifest } from "../content/testdata/images.ts";
import { ckit, rootTest, tempDir } from "./mod.ts";

rootTest(
  "ckit content lists, verifies, repairs, explains and collects",
  async () => {
    await using temp = tempDir();
    const folder = temp.path;
    const other = `${folder}/other`;
    let file: string;
    let ids: { manifest: string; layer: string; loose: string };
    {
      using store = await openStore({ root: `${folder}/lib` });
      using copy = await openStore({ root: other });
      const layer = await putBlob(store, MediaType.Layer);
      const manifest = await putManifest(store, { layers: [layer] });
      await store.images.create("app:1", manifest);
      const loose = await putBlob(store);
      await copy.put(await store.open(layer.digest), { descriptor: layer });
      file = `${store.path}/blobs/${layer.digest.replace(":", "/")}`;
      ids = {
        manifest: manifest.digest,
        layer: layer.digest,
        loose: loose.digest,
      };
    }
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await ckit(args, { folder });
      return { code, text: stdout + stderr };
    };

    const listed = await run(
      "content",
      "ls",
      "--filter",
      `digest==${ids.layer}`,
    );
    assertEquals(listed.text.split("\t")[0], ids.layer);
    assertEquals(listed.text.trim().split("\n").length, 1);

    const right = await run("content", "verify");
    assertEquals(right.code, 0, right.text);
    assertStringIncludes(right.text, "4 blobs");
    assertStringIncludes(right.text, "0 damaged");

    // The size stays, so that only reading tells.
    const bytes = Deno.readFileSync(file);
    Deno.chmodSync(file, 0o644);
    Deno.writeFileSync(file, bytes.map((byte) => byte ^ 1));
    const wrong = await run("content", "verify");
    assertEquals(wrong.code, 1, wrong.text);
    assertStringIncludes(wrong.text, ids.layer);
    assertStringIncludes(wrong.text, "1 damaged");
    const repaired = await run("content", "repair", "--from", other);
    assertEquals([repaired.code, repaired.text.trim()], [0, ids.layer]);
    assertEquals(Deno.readFileSync(file), bytes);
    assertEquals((await run("content", "verify")).code, 0);

    const kept = await run("content", "why", ids.layer);
    assertEquals(kept.code, 0, kept.text);
    for (const part of ["image app:1", ids.manifest, ids.layer]) {
      assertStringIncludes(kept.text, part);
    }
    const space = await run("system", "df");
    assertEquals(space.code, 0, space.text);
    const blobs = space.text.split("\n").find((line) =>
      line.startsWith("blob")
    );
    const [type, count, , unused] = blobs?.split(/ {2,}/) ?? [];
    assertEquals([type, count, unused], ["blob", "4", "1"], space.text);

    const dry = await run("content", "gc", "--dry-run", "--now");
    assertStringIncludes(dry.text, ids.loose);
    assertStringIncludes(dry.text, "1 would be removed");
    assertStringIncludes((await run("content", "gc")).text, "0 removed");
    const pruned = await run("system", "prune", "--now");
    assertEquals(pruned.code, 0, pruned.text);
    assertStringIncludes(pruned.text, "1\tblob");
    const gone = await run("content", "why", ids.loose);
    assertEquals(gone.code, 1, gone.text);
    assertEquals(
      (await run("content", "ls")).text.trim().split("\n").length,
      3,
    );
  },
);
