import { assertEquals, assertThrows } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import { openAt, openAt2, OpenFlag, Resolve, SyscallError } from "./mod.ts";

Deno.test("openAt2() keeps an absolute symbolic link inside the root", () => {
  using temp = tempDir();
  Deno.mkdirSync(`${temp.path}/etc`);
  Deno.writeTextFileSync(`${temp.path}/etc/passwd`, "inside");
  Deno.symlinkSync("/etc/passwd", `${temp.path}/link`);
  using root = openAt(undefined, temp.path, OpenFlag.DIRECTORY);
  using file = openAt2(root, "link");
  assertEquals(
    Deno.readLinkSync(`/proc/self/fd/${file.number}`),
    `${temp.path}/etc/passwd`,
  );
});

Deno.test("openAt2() refuses to climb with BENEATH", () => {
  using temp = tempDir();
  using root = openAt(undefined, temp.path, OpenFlag.DIRECTORY);
  const error = assertThrows(
    () => openAt2(root, "../x", { resolve: Resolve.BENEATH }),
    SyscallError,
  );
  assertEquals(error.code, "EXDEV");
});

Deno.test("openAt2() creates with the mode", () => {
  using temp = tempDir();
  using root = openAt(undefined, temp.path, OpenFlag.DIRECTORY);
  const flags = OpenFlag.WRONLY | OpenFlag.CREAT | OpenFlag.EXCL;
  using _file = openAt2(root, "new", { flags, mode: 0o640 });
  assertEquals(Deno.statSync(`${temp.path}/new`).mode! & 0o777, 0o640);
});
