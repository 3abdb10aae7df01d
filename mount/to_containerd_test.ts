import { assertEquals } from "@std/assert";
import { fromContainerd, type Mount, toContainerd, unmount } from "./mod.ts";
import { callMount } from "./_call_mount.ts";
import { rootTest, tempDir } from "../tests/mod.ts";

rootTest(
  "toContainerd() writes what mount(2) reads, whatever is in the paths",
  async () => {
    await using temp = tempDir();
    const { path } = temp;
    const names = ["a,b", "c:d", "e\\f", "g h", "\\,:\\"];
    for (const name of [...names, "upper,:\\", "work,\\:", "target"]) {
      Deno.mkdirSync(`${path}/${name}`);
      if (names.includes(name)) {
        Deno.writeTextFileSync(`${path}/${name}/${name[0]}`, "");
      }
    }
    const mount: Mount = {
      type: "overlay",
      lower: names.map((name) => `${path}/${name}`),
      upper: `${path}/upper,:\\`,
      work: `${path}/work,\\:`,
      options: { index: "off" },
    };
    const triple = toContainerd(mount);
    assertEquals(fromContainerd(triple), mount);
    callMount({
      source: triple.source,
      target: `${path}/target`,
      type: triple.type,
      // As containerd and runtimes join them.
      data: triple.options!.join(","),
      action: "mount the triple",
    });
    try {
      Deno.writeTextFileSync(`${path}/target/new`, "");
      assertEquals(
        [...Deno.readDirSync(`${path}/target`)].map(({ name }) => name).sort(),
        ["\\", "a", "c", "e", "g", "new"],
      );
      Deno.statSync(`${path}/upper,:\\/new`);
    } finally {
      await unmount(`${path}/target`);
    }
  },
);
