import { assertEquals, assertRejects } from "@std/assert";
import { rootTest, tempDir } from "@containerkit/tests";
import { remapTree, unmapTree } from "./_unmap_tree.ts";

rootTest(
  "unmapTree() lets others work among many files, ends with its signal, and is taken back",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const root = `${temp.path}/fs`;
    Deno.mkdirSync(root);
    const names = Array.from({ length: 3000 }, (_, number) => `${number}`);
    for (const name of names) {
      Deno.writeTextFileSync(`${root}/${name}`, "");
      Deno.chownSync(`${root}/${name}`, 1000, 1000);
    }
    const owners = () => {
      const all = names.map((name) => Deno.lstatSync(`${root}/${name}`).uid);
      return [...new Set(all)];
    };
    const ranges = [{ inside: 7, outside: 1000, size: 1 }];
    const idmap = { uids: ranges, gids: ranges };
    const stopped = new AbortController();
    const { signal } = stopped;
    setTimeout(() => stopped.abort(), 0);
    await assertRejects(
      () => unmapTree(temp.path, idmap, signal),
      DOMException,
    );
    remapTree(temp.path);
    assertEquals(owners(), [1000]);
    await unmapTree(temp.path, idmap, undefined);
    assertEquals(owners(), [7]);
    remapTree(temp.path);
    assertEquals(owners(), [1000]);
  },
);
