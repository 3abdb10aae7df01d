import { assertEquals, assertThrows } from "@std/assert";
import { tempDir } from "../tests/mod.ts";
import { writeFileAtomic } from "./mod.ts";

Deno.test("writeFileAtomic() replaces the file by a new one", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/a`;
  writeFileAtomic(path, "old");
  using old = Deno.openSync(path);
  const info = writeFileAtomic(path, new TextEncoder().encode("new"), {
    mode: 0o644,
  });
  assertEquals(Deno.readTextFileSync(path), "new");
  assertEquals(Deno.statSync(path).ino, info.ino);
  assertEquals(info.mode! & 0o777, 0o644);
  assertEquals([...Deno.readDirSync(temp.path)].length, 1);
  const bytes = new Uint8Array(3);
  old.readSync(bytes);
  assertEquals(new TextDecoder().decode(bytes), "old");
});

Deno.test("writeFileAtomic() that need not last through a power cut replaces a file as well", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/a`;
  for (const text of ["old", "new"]) {
    writeFileAtomic(path, text, { durable: false });
    assertEquals(Deno.readTextFileSync(path), text);
  }
  assertEquals([...Deno.readDirSync(temp.path)].length, 1);
});

Deno.test("writeFileAtomic() leaves nothing when it fails", async () => {
  await using temp = tempDir();
  Deno.mkdirSync(`${temp.path}/a/b`, { recursive: true });
  assertThrows(() => writeFileAtomic(`${temp.path}/a`, "text"));
  assertEquals([...Deno.readDirSync(temp.path)].map(({ name }) => name), ["a"]);
  assertThrows(
    () => writeFileAtomic(`${temp.path}/no/b`, ""),
    Deno.errors.NotFound,
  );
});
