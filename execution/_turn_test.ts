import { assert, assertGreater } from "@std/assert";
import { countEchoes } from "@containerkit/tests";
import { Turn } from "./_turn.ts";

Deno.test("Turn.pass() lets sockets have their turn too, however many work", async () => {
  const work = async () => {
    const turn = new Turn();
    for (let turns = 0; turns < 10; turns++) {
      while (!turn.isOver);
      await turn.pass();
    }
  };
  assertGreater(await countEchoes(Promise.all([work(), work(), work()])), 60);
});

Deno.test("Turn.pass() lets others have theirs between any two that wait", async () => {
  const order: string[] = [];
  const stop = new AbortController();
  const others = (async () => {
    while (!stop.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve));
      order.push("other");
    }
  })();
  await Promise.all(["a", "b", "c"].map(async (name) => {
    await new Turn().pass();
    order.push(name);
  }));
  stop.abort();
  await others;
  const places = ["a", "b", "c"].map((name) => order.indexOf(name));
  assert(places[0]! + 1 < places[1]! && places[1]! + 1 < places[2]!);
});
