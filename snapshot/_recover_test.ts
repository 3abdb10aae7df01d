import { assertEquals, assertRejects } from "@std/assert";
import { SyscallError } from "@containerkit/libc";
import { rootTest, runProgram, tempDir } from "@containerkit/tests";
import { openOverlay } from "./mod.ts";

rootTest(
  "openOverlay() survives what cannot be removed from the trash, and removes the rest",
  async () => {
    await using temp = tempDir();
    const root = `${temp.path}/store`;
    await (await openOverlay({ root })).close();
    const trash = `${root}/snapshots/overlay/trash`;
    const names = () =>
      [...Deno.readDirSync(trash)].map(({ name }) => name).sort();
    for (const name of ["a", "b", "c"]) {
      Deno.mkdirSync(`${trash}/${name}/m`, { recursive: true });
    }
    await runProgram("mount", ["-t", "tmpfs", "none", `${trash}/b/m`]);
    try {
      await using snapshots = await openOverlay({ root });
      assertEquals(names(), ["b"]);
      await assertRejects(() => snapshots.cleanup(), SyscallError, "EBUSY");
    } finally {
      await runProgram("umount", [`${trash}/b/m`]);
    }
    await using _snapshots = await openOverlay({ root });
    assertEquals(names(), []);
  },
);
