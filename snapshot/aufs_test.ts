import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { aufsMount, whyNoAufs } from "./aufs.ts";

Deno.test("aufsMount() gives a read-only mount without an upper branch", () => {
  assertEquals(aufsMount({ lower: ["/b", "/a"], xino: "/x" }), {
    type: "raw",
    fstype: "aufs",
    source: "none",
    options: ["br=/b=ro+wh", "append=/a=ro+wh", "dio", "xino=/x"],
    readonly: true,
  });
});

Deno.test("aufsMount() refuses what cannot be written as an option", () => {
  assertThrows(() => aufsMount({ lower: [] }), TypeError, "no branch");
  for (const path of ["a", "/a:b", "/a=b", "/a,b", "/a\\b"]) {
    assertThrows(() => aufsMount({ lower: [path] }), TypeError, "absolute");
  }
  assertThrows(
    () => aufsMount({ lower: [`/${"a".repeat(255)}`] }),
    RangeError,
    "longer",
  );
});

Deno.test("whyNoAufs() agrees with the kernel", () => {
  const known = Deno.readTextFileSync("/proc/filesystems").includes("\taufs\n");
  const reason = whyNoAufs();
  if (known) assertEquals(reason, undefined);
  else assertStringIncludes(reason!, "no aufs");
});
