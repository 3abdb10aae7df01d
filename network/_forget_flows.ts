import { NetlinkError } from "./netlink_error.ts";
import type { NftSocket } from "./nft_socket.ts";
import type { RequestOptions } from "./route_socket.ts";
import {
  deleteFlow,
  type Flow,
  listFlows,
  type ListFlowsOptions,
} from "./unstable_conntrack.ts";

/**
 * Forgets the flows of some lists that fit: until then the kernel goes on as it
 * did with the first packet. For UDP that may be forever.
 */
export async function forgetFlows(
  nft: NftSocket,
  lists: readonly ListFlowsOptions[],
  fits: (flow: Flow) => boolean,
  wait: RequestOptions = {},
): Promise<void> {
  const flows: Flow[] = [];
  try {
    for (const list of lists) {
      flows.push(...await nft.request(listFlows(list), wait));
    }
  } catch (error) {
    // A kernel without this interface forgets by itself, later.
    if (error instanceof NetlinkError && error.code === "EOPNOTSUPP") return;
    throw error;
  }
  for (const flow of flows) {
    if (fits(flow)) await nft.request(deleteFlow(flow), wait);
  }
}
