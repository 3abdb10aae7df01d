import { assertGreater } from "@std/assert";
import { countEchoes } from "@containerkit/tests";
import { breathe } from "./mod.ts";

Deno.test("breathe() lets sockets have their turn, however many take theirs", async () => {
  const work = async () => {
    for (let turn = 0; turn < 20; turn++) {
      for (const until = performance.now() + 5; performance.now() < until;);
      await breathe();
    }
  };
  const works = [work(), work(), work(), work()];
  assertGreater(await countEchoes(Promise.all(works)), 30);
});
