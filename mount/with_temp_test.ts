import { assertEquals, assertRejects } from "@std/assert";
import { SyscallError } from "@containerkit/libc";
import { isMountPoint, listMounts, unmount, withTemp } from "./mod.ts";
import { rootTest, tempDir } from "../tests/mod.ts";

rootTest("withTemp() removes its own folder, and only empty", async () => {
  await using temp = tempDir();
  const source = `${temp.path}/source`;
  const dir = `${temp.path}/dir`;
  Deno.mkdirSync(source);
  Deno.mkdirSync(dir);
  Deno.writeTextFileSync(`${source}/file`, "kept");
  const bind = { type: "bind", source } as const;
  const before = listMounts().length;
  const kept = () => Deno.readTextFileSync(`${source}/file`);

  await assertRejects(
    () =>
      withTemp(bind, () => {
        throw new RangeError("no");
      }, { dir }),
    RangeError,
  );
  assertEquals([[...Deno.readDirSync(dir)].length, kept()], [0, "kept"]);

  // Somebody uses it for longer: it stays mounted, and what is in it is not touched.
  let place = "";
  {
    let held: Deno.FsFile | undefined;
    const error = await assertRejects(
      () =>
        withTemp(bind, (path) => {
          place = path;
          held = Deno.openSync(path);
        }, { dir }),
      SyscallError,
    );
    using _held = held!;
    assertEquals([error.code, isMountPoint(place)], ["EBUSY", true]);
    assertEquals(kept(), "kept");
  }
  await unmount(place);
  Deno.removeSync(place);

  // What failed left it open: both are said.
  {
    const failure = new RangeError("no such thing");
    let held: Deno.FsFile | undefined;
    const error = await assertRejects(
      () =>
        withTemp(bind, (path) => {
          place = path;
          held = Deno.openSync(path);
          throw failure;
        }, { dir }),
      AggregateError,
      "was mounted for failed: Cannot unmount",
    );
    using _held = held!;
    const [first, second] = error.errors;
    assertEquals([first, error.cause], [failure, failure]);
    assertEquals((second as SyscallError).code, "EBUSY");
  }
  await unmount(place);
  Deno.removeSync(place);

  // Somebody unmounted it and put a file into the folder.
  const error = await assertRejects(
    () =>
      withTemp(bind, async (path) => {
        place = path;
        await unmount(path);
        Deno.writeTextFileSync(`${path}/strange`, "");
      }, { dir }),
    SyscallError,
  );
  assertEquals(error.code, "ENOTEMPTY");
  assertEquals(
    [...Deno.readDirSync(place)].map(({ name }) => name),
    ["strange"],
  );
  assertEquals([listMounts().length, kept()], [before, "kept"]);
});
