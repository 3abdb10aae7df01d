import { parseIp } from "./ip.ts";
import { NetlinkError } from "./netlink_error.ts";
import { NftSocket } from "./nft_socket.ts";
import { deleteFlow, listFlows } from "./unstable_conntrack.ts";

/**
 * Forgets the flows of who had these addresses before: what is confined would
 * be let through as their answers.
 */
export async function forgetFlowsOf(
  addresses: readonly string[],
): Promise<void> {
  const mine = new Set(addresses);
  using nft = new NftSocket();
  for (
    const family of new Set(
      addresses.map((address) =>
        parseIp(address).length === 4 ? "ipv4" as const : "ipv6" as const
      ),
    )
  ) {
    try {
      for (const flow of await nft.request(listFlows({ family }))) {
        const { original, reply } = flow;
        const ends = [original, reply]
          .flatMap(({ source, destination }) => [source, destination]);
        if (ends.some((end) => mine.has(end))) {
          await nft.request(deleteFlow(flow));
        }
      }
    } catch (error) {
      // A kernel without this interface forgets by itself, later.
      const isMissing = error instanceof NetlinkError &&
        error.code === "EOPNOTSUPP";
      if (!isMissing) throw error;
    }
  }
}
