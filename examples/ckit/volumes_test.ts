import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./command.ts";
import { parseVolume } from "./volumes.ts";

Deno.test("parseVolume() tells paths from names", () => {
  const source = (text: string) => parseVolume(`${text}:/d:ro`).source;
  const here = Deno.cwd();
  assertEquals(["/a/../b", "./a", "..", "a", ".a"].map(source), [
    "/b",
    `${here}/a`,
    here.slice(0, here.lastIndexOf("/")),
    "a",
    ".a",
  ]);
  for (const bad of ["/a", "a:b", ":/a", "a:/b:rx", "a:/b:ro:x"]) {
    assertThrows(() => parseVolume(bad), UsageError, "Cannot use volume");
  }
});
