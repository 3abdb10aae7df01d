import { NetlinkError } from "./netlink_error.ts";
import type { NftSocket } from "./nft_socket.ts";
import { PROTOCOLS } from "./_nat_ports.ts";
import type { PublishedPort } from "./published_port.ts";
import { deleteFlow, type Flow, listFlows } from "./unstable_conntrack.ts";

/** Beyond so many ports one list of all flows is cheaper than one for each port. */
const FEW = 4;

async function list(
  nft: NftSocket,
  ports: readonly PublishedPort[],
): Promise<Flow[]> {
  const flows: Flow[] = [];
  const families = ["ipv4", "ipv6"] as const;
  for (const family of families) {
    const mine = ports.filter(({ hostAddress }) =>
      hostAddress.includes(":") === (family === "ipv6")
    );
    if (mine.length === 0) continue;
    const requests = mine.length > FEW
      ? [listFlows({ family })]
      : mine.map(({ protocol, hostPort }) =>
        listFlows({
          family,
          protocol: PROTOCOLS[protocol],
          destinationPort: hostPort,
        })
      );
    for (const request of requests) {
      flows.push(...await nft.request(request));
    }
  }
  return flows;
}

/**
 * Forgets the flows of ports that were opened or closed: until then the kernel
 * goes on as it did with the first packet. For UDP that may be forever.
 */
export async function forgetFlows(
  nft: NftSocket,
  ports: readonly PublishedPort[],
  fits: (flow: Flow, port: PublishedPort) => boolean,
): Promise<void> {
  const byPort = Map.groupBy(ports, ({ hostPort }) => hostPort);
  let flows: Flow[];
  try {
    flows = await list(nft, ports);
  } catch (error) {
    // A kernel without this interface forgets by itself, later.
    if (error instanceof NetlinkError && error.code === "EOPNOTSUPP") return;
    throw error;
  }
  for (const flow of flows) {
    const port = byPort.get(flow.original.destinationPort ?? 0)?.find((port) =>
      PROTOCOLS[port.protocol] === flow.original.protocol &&
      fits(flow, port)
    );
    if (port !== undefined) await nft.request(deleteFlow(flow));
  }
}
