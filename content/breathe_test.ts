import { assertGreater } from "@std/assert";
import { countEchoes } from "@containerkit/tests";
import { breathe } from "./_context.ts";

Deno.test("breathe() lets sockets have their turn now and then, however many take theirs", async () => {
  const work = async () => {
    for (let turn = 0; turn < 100; turn++) {
      for (const until = performance.now() + 2; performance.now() < until;);
      await breathe();
    }
  };
  assertGreater(await countEchoes(Promise.all([work(), work()])), 4);
});
