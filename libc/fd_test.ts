import { assertEquals, assertThrows } from "@std/assert";
import { Fd, openAt } from "./mod.ts";

Deno.test("Fd closes once and refuses use afterwards", () => {
  const file = openAt(undefined, "/etc/hostname");
  file.close();
  file.close();
  assertThrows(() => file.number, Deno.errors.BadResource, "it is closed");
});

Deno.test("Fd refuses what is no descriptor", () => {
  assertThrows(() => new Fd(-1), RangeError);
  assertEquals(new Fd(1000).number, 1000);
});
