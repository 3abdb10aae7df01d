import { assertEquals, assertThrows } from "@std/assert";
import { openAt, OpenFlag, SyscallError } from "./mod.ts";

Deno.test("openAt() opens relative to a directory descriptor", () => {
  using etc = openAt(undefined, "/etc", OpenFlag.DIRECTORY);
  using file = openAt(etc, "hostname");
  assertEquals(
    Deno.readLinkSync(`/proc/self/fd/${file.number}`),
    "/etc/hostname",
  );
});

Deno.test("openAt() throws SyscallError that names the path and the reason", () => {
  const error = assertThrows(
    () => openAt(undefined, "/no/such"),
    SyscallError,
    'Cannot open "/no/such": openat failed with ENOENT',
  );
  assertEquals(error.code, "ENOENT");
  assertEquals(error.path, "/no/such");
});

Deno.test("openAt() refuses a path with NUL before any system call", () => {
  assertThrows(() => openAt(undefined, "/etc/passwd\0.png"), TypeError);
});

Deno.test("openAt() marks the descriptor close-on-exec", async () => {
  using file = openAt(undefined, "/etc/hostname");
  const { stdout } = await new Deno.Command("ls", { args: ["/proc/self/fd"] })
    .output();
  assertEquals(
    new TextDecoder().decode(stdout).split("\n").includes(String(file.number)),
    false,
  );
});

Deno.test("openAt() reports the errno of its own call under garbage collection", () => {
  for (let round = 0; round < 100_000; round++) {
    const missing = round % 2 === 0;
    const error = assertThrows(
      () => openAt(undefined, missing ? "/no/such" : "/etc/hostname/x"),
      SyscallError,
    );
    assertEquals(error.code, missing ? "ENOENT" : "ENOTDIR");
  }
});
