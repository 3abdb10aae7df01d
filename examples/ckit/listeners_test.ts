import { assertThrows } from "@std/assert";
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { requireUnused } from "./listeners.ts";

Deno.test("requireUnused() refuses ports on which a program of the host listens", async () => {
  using ipv4 = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using all = Deno.listen({ hostname: "::", port: 0 });
  const udp = createSocket("udp4").bind(0, "127.0.0.1");
  await once(udp, "listening");
  const { port } = ipv4.addr;
  const taken = [
    { hostAddress: "127.0.0.1", hostPort: port },
    { hostAddress: "0.0.0.0", hostPort: port - 1, count: 2 },
    { hostAddress: "0.0.0.0", hostPort: all.addr.port },
    { hostAddress: "127.0.0.1", hostPort: all.addr.port },
    { hostAddress: "::", hostPort: all.addr.port },
    {
      hostAddress: "0.0.0.0",
      hostPort: udp.address().port,
      protocol: "udp",
    },
  ] as const;
  for (const one of taken) {
    assertThrows(
      () => requireUnused([{ targetPort: 80, ...one }]),
      Deno.errors.AddrInUse,
      "listens there",
    );
  }
  for (const hostAddress of ["127.0.0.2", "::"]) {
    requireUnused([{ hostAddress, hostPort: port, targetPort: 80 }]);
  }
  udp.close();
});
