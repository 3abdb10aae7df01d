/** Which flows end when ports are opened or closed. */
import type { CheckedPort } from "./_nat_ports.ts";
import { forgetPortFlows } from "./_port_flows.ts";
import type { NftSocket } from "./nft_socket.ts";
import type { PublishedPort } from "./published_port.ts";
import type { Flow } from "./unstable_conntrack.ts";

/** Whether a flow goes to a port of the host and is not led on. */
function isStale(flow: Flow): boolean {
  return flow.reply.source === flow.original.destination;
}

/** Whether a flow is led by a port. */
function isLedBy(flow: Flow, port: PublishedPort): boolean {
  return flow.reply.source === port.target &&
    flow.reply.sourcePort === port.targetPort;
}

/** Ends what was sent to ports before they led anywhere. */
export function forgetStale(
  nft: NftSocket,
  ports: readonly CheckedPort[],
): Promise<void> {
  const datagrams = ports.filter(({ protocol }) => protocol === "udp");
  return forgetPortFlows(nft, datagrams, isStale);
}

/** Ends what goes through ports that are closed. */
export function forgetLed(
  nft: NftSocket,
  ports: readonly PublishedPort[],
): Promise<void> {
  return forgetPortFlows(nft, ports, isLedBy);
}
