import { assert, assertEquals } from "@std/assert";
import { Turn } from "./_turn.ts";

/** What always has more to do, until it is stopped; counts its turns. */
function startBusy(signal: AbortSignal) {
  const counter = { turns: 0 };
  const ended = (async () => {
    for (const turn = new Turn(); !signal.aborted; counter.turns++) {
      await turn.pass();
    }
  })();
  return { counter, ended };
}

Deno.test("Turn.pass() lets sockets have their turn too", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [accepted, connected] = await Promise.all([
    listener.accept(),
    Deno.connect({ hostname: "127.0.0.1", port }),
  ]);
  using server = accepted;
  using client = connected;
  const stop = new AbortController();
  const busy = [startBusy(stop.signal), startBusy(stop.signal)];
  const byte = new Uint8Array(1);
  for (let trip = 0; trip < 10; trip++) {
    await client.write(byte);
    assertEquals(await server.read(byte), 1);
  }
  stop.abort();
  await Promise.all(busy.map(({ ended }) => ended));
  const turns = busy.reduce((sum, { counter }) => sum + counter.turns, 0);
  // With immediates it is some fifty for each.
  assert(turns < 100, `10 bytes took ${turns} turns`);
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
