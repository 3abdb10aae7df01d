import { assertEquals } from "@std/assert";
import { loadAllCommands, loadCommands, WORDS } from "./mod.ts";

Deno.test("loadCommands() finds each command by its first word, and no other", async () => {
  const all = await loadAllCommands();
  const found = (await Promise.all([...new Set(WORDS)].map(loadCommands)))
    .flat();
  assertEquals(new Set(found), new Set(all));
  assertEquals(
    WORDS.toSorted(),
    [...new Set(all.map(({ name }) => name.split(" ")[0]!))].sort(),
  );
  for (const command of all) {
    const [word = ""] = command.name.split(" ");
    assertEquals((await loadCommands(word)).includes(command), true, word);
  }
  assertEquals(new Set(all.map(({ name }) => name)).size, all.length);
});

Deno.test("loadCommands() knows no command of an unknown word", async () => {
  assertEquals(await loadCommands("toString"), []);
});
