import { assertEquals, assertRejects } from "@std/assert";
import { runTool } from "./_run_tool.ts";

Deno.test("runTool() kills what prints without end, and says so", async () => {
  await assertRejects(
    () => runTool("sh", ["-c", "yes & yes"], "make a filesystem"),
    Error,
    "Cannot make a filesystem: it printed more than 1048576 bytes",
  );
});

Deno.test("runTool() fails with the last of many words", async () => {
  const script =
    "head -c 2000000 /dev/zero | tr '\\0' x >&2; echo no room >&2; exit 1";
  const { message } = await assertRejects(
    () => runTool("sh", ["-c", script], "make a filesystem"),
    Error,
  );
  assertEquals(message.length, "Cannot make a filesystem: ".length + 16383);
  assertEquals(message.slice(-9), "xxno room");
});

Deno.test("runTool() names the tool that is missing", async () => {
  await assertRejects(
    () => runTool("mkfs.none", [], "make a filesystem"),
    Deno.errors.NotSupported,
    "Cannot make a filesystem: the program mkfs.none of e2fsprogs is missing",
  );
});
