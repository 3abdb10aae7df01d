import { assertEquals } from "@std/assert";
import { rootTest, tempDir } from "@containerkit/tests";
import { ApplyContext, type ApplyRules } from "./_apply_context.ts";
import { finishDirectories } from "./_attributes.ts";
import { Dir, DirTree } from "./_dir_tree.ts";
import { openRoot } from "./_parent_layers.ts";

rootTest(
  "finishDirectories() takes a directory with any number of others in it",
  async () => {
    await using temp = tempDir();
    using tree = new DirTree(openRoot(temp.path));
    const { root } = tree;
    root.children = new Map(
      Array.from({ length: 300_000 }, (_, at) => [
        String(at),
        new Dir(root, String(at), true),
      ]),
    );
    const context = new ApplyContext(tree, {} as ApplyRules);
    assertEquals([...finishDirectories(context)].length, 300_000);
  },
);
