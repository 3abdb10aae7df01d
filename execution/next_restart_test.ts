import { assertEquals, assertThrows } from "@std/assert";
import { nextRestart, type RestartPolicy } from "./mod.ts";

const failed = { status: { success: false }, restarts: 0, ran: 1 };
const fine = { ...failed, status: { success: true } };

Deno.test("nextRestart() follows the policy", () => {
  assertEquals(nextRestart("no", failed), undefined);
  assertEquals(nextRestart("always", fine), { delay: 100, restarts: 1 });
  assertEquals(nextRestart("on-failure", fine), undefined);
  assertEquals(nextRestart("on-failure", failed), { delay: 100, restarts: 1 });
  const twice = { on: "failure", max: 2 } as const;
  assertEquals(nextRestart(twice, { ...failed, restarts: 1 })?.restarts, 2);
  assertEquals(nextRestart(twice, { ...failed, restarts: 2 }), undefined);
});

Deno.test("nextRestart() waits longer each time in a row, and begins anew after a good run", () => {
  assertEquals(nextRestart("always", { ...fine, restarts: 3 })?.delay, 800);
  assertEquals(
    nextRestart("always", { ...fine, restarts: 1e6 })?.delay,
    60_000,
  );
  assertEquals(nextRestart("always", { ...fine, restarts: 9, ran: 10_000 }), {
    delay: 100,
    restarts: 1,
  });
});

Deno.test("nextRestart() leaves alone what was asked to end", () => {
  assertEquals(nextRestart("always", { ...failed, stopped: true }), undefined);
});

Deno.test("nextRestart() refuses a policy that is none", () => {
  const state = { status: { success: true }, restarts: 0, ran: 5 };
  const restart = (policy: unknown) => () =>
    nextRestart(policy as RestartPolicy, state);
  assertThrows(
    restart("unless-stopped"),
    TypeError,
    'Cannot restart by "unless-stopped": expected no, always or on-failure',
  );
  for (const max of [NaN, -1, 1.5, "3", undefined]) {
    assertThrows(
      restart({ on: "failure", max }),
      RangeError,
      `most ${max} times`,
    );
  }
});
