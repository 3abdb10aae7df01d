import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { tempDir } from "../tests/mod.ts";
import { lockFile, tryLockFile } from "./mod.ts";

Deno.test("tryLockFile() lets many share and one be alone", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/lock`;
  using a = tryLockFile(path, { exclusive: false });
  using b = tryLockFile(path, { exclusive: false });
  assert(a !== undefined && b !== undefined);
  assertEquals(tryLockFile(path), undefined);
  a.close();
  assertEquals(tryLockFile(path), undefined);
  b.close();
  using c = tryLockFile(path);
  assert(c !== undefined);
  assertEquals(tryLockFile(path, { exclusive: false }), undefined);
});

Deno.test("lockFile() waits for the holder to let go", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/lock`;
  const first = await lockFile(path);
  const second = lockFile(path);
  first.close();
  (await second).close();
});

Deno.test("lockFile() ends with the signal's reason", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/lock`;
  using _first = await lockFile(path);
  const controller = new AbortController();
  const waiting = lockFile(path, { signal: controller.signal });
  controller.abort(new RangeError("enough"));
  await assertRejects(() => waiting, RangeError, "enough");
  await assertRejects(() => lockFile(path, { signal: AbortSignal.abort() }));
});

Deno.test("lockFile() takes the new file when the holder removed the old one", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/lock`;
  const first = await lockFile(path);
  const second = lockFile(path);
  Deno.removeSync(path);
  first.close();
  using held = await second;
  assertEquals(held.path, path);
  assertEquals(tryLockFile(path), undefined);
});

Deno.test("lockFile() gets the lock of a process that was killed", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/lock`;
  const script = `
    const { lockFile } = await import(${
    JSON.stringify(new URL("./mod.ts", import.meta.url).href)
  });
    await lockFile(Deno.args[0]);
    console.log("held");
    setInterval(() => {}, 1000);`;
  await using child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      `--allow-read=${temp.path}`,
      `--allow-write=${temp.path}`,
      `--config=${new URL("../deno.json", import.meta.url).pathname}`,
      `data:application/javascript,${encodeURIComponent(script)}`,
      path,
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  for await (const _ of child.stdout) break;
  assertEquals(tryLockFile(path), undefined);
  child.kill("SIGKILL");
  await child.status;
  using lock = tryLockFile(path);
  assert(lock !== undefined);
});

Deno.test("tryLockFile() makes the file unless it is told not to", async () => {
  await using temp = tempDir();
  const path = `${temp.path}/lock`;
  const options = { create: false };
  assertThrows(() => tryLockFile(path, options), Deno.errors.NotFound);
  await assertRejects(() => lockFile(path, options), Deno.errors.NotFound);
  tryLockFile(path)?.close();
  using lock = tryLockFile(path, options);
  assertEquals(lock?.path, path);
  // It is removed while another waits.
  const waiting = lockFile(path, options);
  Deno.removeSync(path);
  lock?.close();
  await assertRejects(() => waiting, Deno.errors.NotFound);
});
