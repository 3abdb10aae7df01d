import { assert, assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { rootTest } from "@containerkit/tests";
import { Pace } from "./_pace.ts";
import { getLink, NetNs, RouteSocket } from "./mod.ts";

/** A pace with a clock that stands until it is moved. */
function standing() {
  let time = 0;
  let waiting: (() => void)[] = [];
  let sleeps = 0;
  const pace = new Pace({
    now: () => time,
    sleeps: () => sleeps,
    turn: (done) => void waiting.push(done),
    rest: () => new Promise((resolve) => void waiting.push(resolve)),
  });
  const pass = (ms: number) => void (time += ms);
  return {
    pace,
    pass,
    /** The event loop turns. */
    turn: () => {
      const ready = waiting;
      waiting = [];
      for (const done of ready) done();
    },
    /** A request that waits for a lock. */
    wait: (ms: number) =>
      pace.measure(() => {
        sleeps++;
        pass(ms);
      }),
    /** A request that works, or whose thread others keep from working. */
    work: (ms: number) => pace.measure(() => pass(ms)),
    isHere: () => pace.isHere("either", 100),
  };
}

Deno.test("Pace sends here until a request had to wait, then elsewhere for a while", () => {
  const { pass, wait, work, isHere } = standing();
  wait(1.9);
  assertEquals(isHere(), true);
  work(50);
  assertEquals(isHere(), true, "busy processors are no lock");
  wait(2.1);
  assertEquals(isHere(), false);
  pass(29.9);
  assertEquals(isHere(), false);
  pass(0.2);
  assertEquals(isHere(), true);
});

Deno.test("Pace waits longer each time the lock is still held, up to a limit", () => {
  const { pass, wait, work, isHere } = standing();
  for (const span of [30, 60, 120, 240, 240]) {
    wait(5);
    pass(span - 1);
    assertEquals(isHere(), false, `${span}`);
    pass(1);
    assertEquals(isHere(), true, `${span}`);
  }
  work(0.1);
  wait(5);
  pass(30);
  assertEquals(isHere(), true, "one that did not wait starts anew");
});

Deno.test("Pace stays elsewhere for as long as requests have to wait there", async () => {
  const { pace, pass, wait, isHere } = standing();
  const waitElsewhere = (ms: number, size = 100) =>
    pace.watch(size, () => Promise.resolve(pass(ms)));
  wait(5);
  for (let round = 0; round < 5; round++) {
    pass(25);
    await waitElsewhere(2.1);
    assertEquals(isHere(), false);
  }
  pass(29.9);
  assertEquals(isHere(), false);
  await waitElsewhere(1);
  assertEquals(isHere(), true, "one that did not wait tells nothing");
  await waitElsewhere(50, 4097);
  assertEquals(isHere(), true, "what is much takes long by itself");
});

Deno.test("Pace knows by itself what is short, what is long and what is much", () => {
  const { pace, wait } = standing();
  assertEquals(pace.isHere("elsewhere", 100), false);
  assertEquals(pace.isHere("either", 4097), false);
  wait(50);
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
  for (let one = 9; one < 100; one++) pace.ended();
  pass(198);
  assertEquals(pace.isHere("either", 100), false, "the more, the longer");
  pass(2);
  assertEquals(pace.isHere("either", 100), true);
});

Deno.test("Pace lets the event loop turn after two milliseconds", async () => {
  const { pace, pass, turn } = standing();
  assertEquals(pace.rest(), undefined);
  pass(1.9);
  assertEquals(pace.rest(), undefined);
  pass(0.1);
  const rest = pace.rest();
  turn();
  await rest;
  pass(1.9);
  assertEquals(pace.rest(), undefined);
  turn();
  pass(1.9);
  assertEquals(pace.rest(), undefined, "a turn that came by itself counts");
  pass(1.9);
  assertEquals(pace.rest(), undefined);
  pass(0.2);
  assert(pace.rest() instanceof Promise);
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
