import { assertEquals } from "@std/assert";
import { formatTable } from "./table.ts";

Deno.test("formatTable() keeps each row on one line, and a terminal as it is", () => {
  const rows = [["A", "B"], ["sh -c a\nb", "\x1b[2Jx"], ["", "y"]];
  assertEquals(formatTable(rows), [
    "A          B",
    "sh -c a b   [2Jx",
    "           y",
  ]);
});
