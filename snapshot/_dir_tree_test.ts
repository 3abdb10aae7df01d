import { assertEquals } from "@std/assert";
import { rootTest, tempDir } from "@containerkit/tests";
import { Dir, DirTree } from "./_dir_tree.ts";
import { openRoot } from "./_parent_layers.ts";

rootTest(
  "DirTree.forget() takes a directory with any number of others in it",
  async () => {
    await using temp = tempDir();
    using tree = new DirTree(openRoot(temp.path));
    const { root } = tree;
    const full = new Dir(root, "full", true);
    root.children = new Map([["full", full]]);
    const children = Array.from(
      { length: 300_000 },
      (_, at) => new Dir(full, String(at), true),
    );
    full.children = new Map(children.map((child) => [child.name, child]));
    tree.forget(root, "full");
    assertEquals(root.children.size, 0);
    assertEquals(children.every(({ dead }) => dead), true);
  },
);
