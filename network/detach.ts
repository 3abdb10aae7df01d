/**
 * Undoing `attach()`.
 *
 * @module
 */

import { listEnds, removeIdleBridge } from "./_attachment_undo.ts";
import { removeMacChecks } from "./_mac_check.ts";
import { deleteLink } from "./delete_link.ts";
import { NatTable } from "./nat_table.ts";
import { type RequestOptions, RouteSocket } from "./route_socket.ts";

/**
 * Undoes `attach()` by its key, from any process, from what the kernel knows:
 * closes the ports, deletes the links and removes a bridge that `attach()` made
 * and nobody uses any more. What is gone already is no error.
 *
 * @param key The key of the attachment.
 * @param options How to wait.
 * @returns Whether there was anything.
 * @throws {NetlinkError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { detach } from "@containerkit/network";
 *
 * await detach("web");
 * ```
 */
export async function detach(
  key: string,
  options: RequestOptions = {},
): Promise<boolean> {
  using route = new RouteSocket();
  using nat = new NatTable();
  const closed = await nat.unpublish({ owner: key }, options);
  const checked = await removeMacChecks(key, options);
  const ends = (await listEnds(route, options)).filter((end) =>
    end.key === key
  );
  for (const { link } of ends) {
    await route.request(deleteLink(link.index), options);
  }
  const bridges = new Set(
    ends.map(({ link }) => link.master).filter((index) => index !== undefined),
  );
  for (const bridge of bridges) await removeIdleBridge(route, bridge, options);
  return ends.length > 0 || closed.length > 0 || checked;
}
