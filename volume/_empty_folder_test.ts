import { tempDir } from "@containerkit/tests";
import { removeFolder } from "./_empty_folder.ts";

Deno.test("removeFolder() leaves it at that if another process has removed it", async () => {
  using temp = tempDir();
  await removeFolder(`${temp.path}/gone`);
});
