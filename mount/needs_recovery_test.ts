import { assertEquals, assertThrows } from "@std/assert";
import { need, runProgram, tempDir, testIf } from "@containerkit/tests";
import { needsRecovery } from "./mod.ts";

testIf(
  need("mkfs.ext4", "debugfs"),
  "needsRecovery() is what dumpe2fs calls needs_recovery",
  async () => {
    await using temp = tempDir();
    const image = `${temp.path}/image`;
    await runProgram("mkfs.ext4", ["-q", image, "4M"]);
    assertEquals(needsRecovery(image), false);
    await runProgram("debugfs", ["-w", "-R", "feature needs_recovery", image]);
    assertEquals(needsRecovery(image), true);
    assertThrows(() => needsRecovery(`${image}2`), Deno.errors.NotFound);
  },
);
