import { bridgeTag, keyOf } from "./_owner_tag.ts";
import { deleteLink } from "./delete_link.ts";
import { getLink } from "./get_link.ts";
import type { Link, LinkRef } from "./link.ts";
import { listLinks } from "./list_links.ts";
import { NatTable } from "./nat_table.ts";
import type { RequestOptions, RouteSocket } from "./route_socket.ts";

/** The host's ends of attachments. */
export async function listEnds(
  route: RouteSocket,
  options: RequestOptions = {},
): Promise<{ link: Link; key: string }[]> {
  const request = listLinks({ kind: "veth", statistics: false });
  const links = await route.request(request, options);
  return links.flatMap((link) => {
    const key = keyOf(link.alias);
    return key === undefined ? [] : [{ link, key }];
  });
}

/**
 * Removes a bridge that `attach()` made if no port is left, and its rules. The
 * kernel refuses nobody a port in between: such an attachment fails at its next
 * step, and starts over.
 */
export async function removeIdleBridge(
  route: RouteSocket,
  bridge: LinkRef,
  options: RequestOptions = {},
): Promise<boolean> {
  const link = await route.request(getLink(bridge), options);
  if (link?.alias !== bridgeTag) return false;
  const ports = await route.request(
    listLinks({ master: link.index, statistics: false }),
    options,
  );
  if (ports.length > 0) return false;
  await route.request(deleteLink(link.index), options);
  using nat = new NatTable();
  await nat.removeBridge(link.name, options);
  return true;
}
