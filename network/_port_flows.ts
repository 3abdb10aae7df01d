import { forgetFlows } from "./_forget_flows.ts";
import { PROTOCOLS } from "./_nat_ports.ts";
import type { NftSocket } from "./nft_socket.ts";
import type { PublishedPort } from "./published_port.ts";
import type { Flow, ListFlowsOptions } from "./unstable_conntrack.ts";

/** Beyond so many ports one list of all flows is cheaper than one for each port. */
const FEW = 4;

function listsOf(ports: readonly PublishedPort[]): ListFlowsOptions[] {
  return (["ipv4", "ipv6"] as const).flatMap((family) => {
    const mine = ports.filter(({ hostAddress }) =>
      hostAddress.includes(":") === (family === "ipv6")
    );
    return mine.length > FEW
      ? [{ family }]
      : mine.map(({ protocol, hostPort }) => ({
        family,
        protocol: PROTOCOLS[protocol],
        destinationPort: hostPort,
      }));
  });
}

/** Forgets the flows of ports that were opened or closed. */
export async function forgetPortFlows(
  nft: NftSocket,
  ports: readonly PublishedPort[],
  fits: (flow: Flow, port: PublishedPort) => boolean,
): Promise<void> {
  const byPort = Map.groupBy(ports, ({ hostPort }) => hostPort);
  const isTheirs = (flow: Flow) =>
    byPort.get(flow.original.destinationPort ?? 0)?.some((port) =>
      PROTOCOLS[port.protocol] === flow.original.protocol && fits(flow, port)
    ) ?? false;
  await forgetFlows(nft, listsOf(ports), isTheirs);
}
