import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { rootTest } from "@containerkit/tests";
import { Pace } from "./_pace.ts";
import { getLink, NetNs, RouteSocket } from "./mod.ts";

/** A pace with a clock that stands until it is moved. */
function standing() {
  let time = 0;
  let turns = 0;
  const pace = new Pace({
    now: () => time,
    turn: () => {
      turns++;
      return Promise.resolve();
    },
  });
  return {
    pace,
    pass: (ms: number) => void (time += ms),
    turns: () => turns,
  };
}

Deno.test("Pace sends here until a request had to wait, then elsewhere for a while", () => {
  const { pace, pass } = standing();
  const ask = (took: number) => {
    const start = pace.now();
    pass(took);
    pace.sent(start);
  };
  assertEquals(pace.isHere("either", 100), true);
  ask(1.9);
  assertEquals(pace.isHere("either", 100), true);
  ask(2.1);
  assertEquals(pace.isHere("either", 100), false);
  pass(29);
  ask(5);
  pass(29);
  assertEquals(pace.isHere("either", 100), false, "each that waits counts");
  pass(1);
  assertEquals(pace.isHere("either", 100), true);
});

Deno.test("Pace knows by itself what is short, what is long and what is much", () => {
  const { pace, pass } = standing();
  assertEquals(pace.isHere("elsewhere", 100), false);
  assertEquals(pace.isHere("either", 4097), false);
  const start = pace.now();
  pass(50);
  pace.sent(start);
  assertEquals(pace.isHere("here", 4097), true);
});

Deno.test("Pace takes many namespaces that end for a lock that is held", () => {
  const { pace, pass } = standing();
  for (let one = 0; one < 50; one++) {
    pace.ended();
    pass(2);
    assertEquals(pace.isHere("either", 100), true, "one after another");
  }
  for (let one = 0; one < 8; one++) pace.ended();
  assertEquals(pace.isHere("either", 100), true, "a few at once");
  pace.ended();
  assertEquals(pace.isHere("either", 100), false, "many at once");
  pass(30);
  assertEquals(pace.isHere("either", 100), true);
});

Deno.test("Pace lets the event loop turn after two milliseconds", async () => {
  const { pace, pass, turns } = standing();
  await pace.rest();
  assertEquals(turns(), 1, "who comes anew is let pass once");
  pass(1.9);
  assertEquals(pace.rest(), undefined);
  pass(0.1);
  await pace.rest();
  assertEquals(turns(), 2);
  pass(1.9);
  pace.turned();
  pass(1.9);
  assertEquals(pace.rest(), undefined, "a turn that came by itself counts");
});

rootTest("requests without end leave the event loop its turns", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  let turned = false;
  setImmediate(() => turned = true);
  // Each is answered within the call: without a rest this would never end.
  while (!turned) await route.request(getLink(1));
  assertEquals(turned, true);
});
