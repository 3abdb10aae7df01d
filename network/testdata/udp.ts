// deno-lint-ignore-file no-console
/**
 * `deno run --unstable-net -N udp.ts serve ADDRESS PORT` answers every datagram with its sender's address and
 * says "ready" first; `... ask ADDRESS PORT [SOURCE_PORT]` sends one and prints the answer, or "nothing" after a second.
 */
const [verb, hostname = "", port = "", source = "0"] = Deno.args;
const endpoint = { transport: "udp", hostname, port: Number(port) } as const;
const any = hostname.includes(":") ? "::" : "0.0.0.0";
if (verb === "serve") {
  const socket = Deno.listenDatagram(endpoint);
  console.log("ready");
  for await (const [, sender] of socket) {
    const { hostname } = sender as Deno.NetAddr;
    await socket.send(new TextEncoder().encode(hostname), sender);
  }
} else {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: any,
    port: Number(source),
  });
  const timer = setTimeout(() => {
    console.log("nothing");
    Deno.exit(0);
  }, 1000);
  await socket.send(new Uint8Array(1), endpoint);
  const [answer] = await socket.receive();
  clearTimeout(timer);
  console.log(new TextDecoder().decode(answer));
}
