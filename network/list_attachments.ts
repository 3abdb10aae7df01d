/**
 * Finding what `attach()` left.
 *
 * @module
 */

import { listEnds } from "./_attachment_undo.ts";
import { listMacChecks } from "./_mac_check.ts";
import { getLink } from "./get_link.ts";
import { NatTable } from "./nat_table.ts";
import type { PublishedPort } from "./published_port.ts";
import { type RequestOptions, RouteSocket } from "./route_socket.ts";

/** An attachment, as the kernel knows it. */
export interface AttachmentInfo {
  /** What it was attached with. */
  readonly key: string;
  /** The name of the host's end; `undefined` if only rules are left, as after the end of the namespace. */
  readonly link: string | undefined;
  /** The bridge it is on. */
  readonly bridge: string | undefined;
  /** The ports of the host that lead there. */
  readonly published: readonly PublishedPort[];
}

/**
 * Lists the attachments of this host, by anyone, from what the kernel knows:
 * there is no other state.
 *
 * @param options How to wait.
 * @returns The attachments; one with several links stands once for each.
 * @throws {NetlinkError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { listAttachments } from "@containerkit/network";
 *
 * for (const { key, bridge } of await listAttachments()) console.log(key, bridge);
 * ```
 */
export async function listAttachments(
  options: RequestOptions = {},
): Promise<AttachmentInfo[]> {
  using route = new RouteSocket();
  using nat = new NatTable();
  const ends = await listEnds(route, options);
  const ports = Map.groupBy(
    (await nat.published(options)).filter(({ owner }) => owner !== undefined),
    ({ owner }) => owner!,
  );
  const bridges = new Map<number, string>();
  for (const index of new Set(ends.map(({ link }) => link.master))) {
    // Somebody has removed its bridge.
    if (index === undefined) continue;
    const bridge = await route.request(getLink(index), options);
    if (bridge !== undefined) bridges.set(index, bridge.name);
  }
  const keys = new Set(ends.map(({ key }) => key));
  const confined = await nat.confined(options);
  const others = new Set([
    ...ports.keys(),
    ...(await listMacChecks(options)).map(({ key }) => key),
    ...confined.flatMap(({ owner }) => owner ?? []),
  ]);
  return [
    ...ends.map(({ link, key }) => ({
      key,
      link: link.name,
      bridge: bridges.get(link.master ?? 0),
      published: ports.get(key) ?? [],
    })),
    ...[...others].filter((key) => !keys.has(key)).map((key) => ({
      key,
      link: undefined,
      bridge: undefined,
      published: ports.get(key) ?? [],
    })),
  ];
}
