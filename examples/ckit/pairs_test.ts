import { assertEquals } from "@std/assert";
import { envOf } from "./pairs.ts";
import { parseFlags } from "./parse_flags.ts";

Deno.test("envOf() takes of ckit's own variables what is there, and nothing for what is not", () => {
  const line = ["-e", "HOME", "-e", "CKIT_NO_SUCH_VARIABLE", "-eA="];
  const args = parseFlags(line, { lists: ["env"], alias: { e: "env" } });
  assertEquals(envOf(args), { HOME: Deno.env.get("HOME")!, A: "" });
});
