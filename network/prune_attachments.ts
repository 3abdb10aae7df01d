/**
 * Removing what `attach()` left.
 *
 * @module
 */

import { removeIdleBridge } from "./_attachment_undo.ts";
import { bridgeTag } from "./_owner_tag.ts";
import { detach } from "./detach.ts";
import type { Link } from "./link.ts";
import { type AttachmentInfo, listAttachments } from "./list_attachments.ts";
import { listLinks } from "./list_links.ts";
import { type RequestOptions, RouteSocket } from "./route_socket.ts";

/** What {@linkcode pruneAttachments} removed. */
export interface PrunedAttachments {
  /** The keys of the attachments. */
  readonly keys: readonly string[];
  /** The names of the bridges that `attach()` made and nobody used. */
  readonly bridges: readonly string[];
}

/**
 * Removes the attachments of containers that are no more, and the bridges that
 * `attach()` made and nobody uses. Works from what the kernel knows, so it also
 * finds what a program that was killed, or a daemon that forgot, has left.
 *
 * An attachment that is being made counts too: its key must be alive before.
 *
 * @param isLive Tells whether an attachment is still in use; is asked for those of others too.
 * @param options How to wait.
 * @returns What was removed.
 * @throws {NetlinkError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { pruneAttachments } from "@containerkit/network";
 *
 * const live = new Set(["my-app-web"]);
 * // Those of other programs are theirs.
 * await pruneAttachments(({ key }) => live.has(key) || !key.startsWith("my-app-"));
 * ```
 */
export async function pruneAttachments(
  isLive: (attachment: AttachmentInfo) => boolean,
  options: RequestOptions = {},
): Promise<PrunedAttachments> {
  using route = new RouteSocket();
  const before = await listBridges(route, options);
  const attachments = await listAttachments(options);
  const live = new Set(attachments.filter(isLive).map(({ key }) => key));
  const dead = new Set(
    attachments.map(({ key }) => key).filter((key) => !live.has(key)),
  );
  for (const key of dead) await detach(key, options);
  for (const { index } of await listBridges(route, options)) {
    await removeIdleBridge(route, index, options);
  }
  const after = await listBridges(route, options);
  return {
    keys: [...dead],
    bridges: before.map(({ name }) => name)
      .filter((name) => !after.some((bridge) => bridge.name === name)),
  };
}

/** The bridges that `attach()` made. */
async function listBridges(
  route: RouteSocket,
  options: RequestOptions,
): Promise<Link[]> {
  const request = listLinks({ kind: "bridge", statistics: false });
  const links = await route.request(request, options);
  return links.filter(({ alias }) => alias === bridgeTag);
}
