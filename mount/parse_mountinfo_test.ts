import { assertEquals, assertThrows } from "@std/assert";
import { parseMountinfo } from "./parse_mountinfo.ts";

Deno.test("parseMountinfo() reads every field", () => {
  const line =
    "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue\n";
  assertEquals(parseMountinfo(line), [{
    id: 36,
    parent: 35,
    device: "98:0",
    root: "/mnt1",
    target: "/mnt2",
    options: ["rw", "noatime"],
    propagation: ["master:1", "propagate_from:2"],
    type: "ext3",
    source: "/dev/root",
    superOptions: ["rw", "errors=continue"],
  }]);
});

Deno.test("parseMountinfo() undoes the kernel's octal escapes", () => {
  const [entry] = parseMountinfo(
    "1 0 0:1 / /a\\040b\\134c rw - tmpfs none rw\n",
  );
  assertEquals(entry?.target, "/a b\\c");
});

Deno.test("parseMountinfo() throws on a short line and says which", () => {
  const text = "1 0 0:1 / / rw - tmpfs none rw\n2 1 0:2 / /x rw\n";
  assertThrows(
    () => parseMountinfo(text),
    SyntaxError,
    "Cannot parse mountinfo: line 2 has too few fields",
  );
});

Deno.test("parseMountinfo() reads the table of this process", () => {
  const entries = parseMountinfo(
    Deno.readTextFileSync("/proc/thread-self/mountinfo"),
  );
  assertEquals(
    entries.filter(({ target }) => target === "/proc").at(-1)?.type,
    "proc",
  );
  assertEquals(
    entries.every(({ id, parent }) =>
      Number.isInteger(id) && Number.isInteger(parent)
    ),
    true,
  );
});
