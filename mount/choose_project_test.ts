import { assert, assertEquals } from "@std/assert";
import { chooseProject } from "./_choose_project.ts";

Deno.test("chooseProject() chooses one that nobody uses, not the same for all", () => {
  const asked: number[] = [];
  const project = chooseProject((project) => asked.push(project) < 3);
  assertEquals(asked.length, 3);
  assertEquals(project, asked[2]);
  assertEquals(new Set(asked).size, 3);
  assert(asked.every((one) => one >= 0x4c000000 && one < 0x8c000000));
});
