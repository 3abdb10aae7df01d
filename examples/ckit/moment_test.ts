import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./command.ts";
import { parseMoment } from "./moment.ts";

Deno.test("parseMoment() reads how long ago, seconds and times", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  const read = (text: string) => new Date(parseMoment(text, now)).toISOString();
  assertEquals(read("10m"), "2026-01-01T11:50:00.000Z");
  assertEquals(read("1h30m0.5s"), "2026-01-01T10:29:59.500Z");
  assertEquals(read("1767268800"), "2026-01-01T12:00:00.000Z");
  assertEquals(read("2026-01-01T12:00:00+01:00"), "2026-01-01T11:00:00.000Z");
  for (const bad of ["", "m", "10x", "yesterday"]) {
    assertThrows(() => parseMoment(bad), UsageError, "Cannot read the moment");
  }
});
