import { forgetFlows } from "./_forget_flows.ts";
import { parseIp } from "./ip.ts";
import { NftSocket } from "./nft_socket.ts";
import type { RequestOptions } from "./route_socket.ts";

/**
 * Forgets the flows of who had these addresses before: what is confined would
 * be let through as their answers.
 */
export async function forgetFlowsOf(
  addresses: readonly string[],
  wait: RequestOptions,
): Promise<void> {
  const mine = new Set(addresses);
  const families = new Set(
    addresses.map((address) =>
      parseIp(address).length === 4 ? "ipv4" as const : "ipv6" as const
    ),
  );
  using nft = new NftSocket();
  await forgetFlows(
    nft,
    [...families].map((family) => ({ family })),
    ({ original, reply }) =>
      [original, reply].some(({ source, destination }) =>
        mine.has(source) || mine.has(destination)
      ),
    wait,
  );
}
