import { checkWorld, startWorker } from "./_content_world.ts";
import { tempDir } from "../mod.ts";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
const KILLS = LONG ? 200 : 6;

Deno.test("content store: a process that is killed at any point leaves a store that holds", async () => {
  await using temp = tempDir();
  for (let kill = 0; kill < KILLS; kill++) {
    const seed = Math.floor(Math.random() * 2 ** 31);
    // Two at once: what one leaves the other must be able to go on with.
    const children = [0, 1].map((at) =>
      startWorker(temp.path, seed + at, 1_000_000)
    );
    for (const child of children) {
      const reader = child.stdout.getReader();
      await reader.read();
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 120));
      child.kill("SIGKILL");
      await reader.cancel();
      await child.stderr.cancel();
      await child.status;
    }
    await checkWorld(temp.path);
  }
});
