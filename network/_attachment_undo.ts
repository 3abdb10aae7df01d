import { listMacChecks, removeMacChecks } from "./_mac_check.ts";
import { bridgeTag, keyOf } from "./_owner_tag.ts";
import { deleted } from "./_route_request.ts";
import { deleteLink } from "./delete_link.ts";
import { getLink } from "./get_link.ts";
import type { Link, LinkRef } from "./link.ts";
import { listLinks } from "./list_links.ts";
import { NatTable } from "./nat_table.ts";
import { type RequestOptions, RouteSocket } from "./route_socket.ts";
import { setLink } from "./set_link.ts";

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

async function hasPorts(
  route: RouteSocket,
  bridge: number,
  options: RequestOptions,
): Promise<boolean> {
  const request = listLinks({ master: bridge, statistics: false });
  return (await route.request(request, options)).length > 0;
}

/**
 * Removes a bridge that `attach()` made if no port is left, and its rules. The
 * kernel refuses nobody a port in between, so the bridge is put into a group of
 * its own before the last look and deleted by that: `attach()` takes it out of
 * any group behind its port. Either that comes first and nothing is deleted, or
 * it fails for the lack of the bridge, and the attachment starts over.
 *
 * The rules go first, as only the bridge tells that they are there: `attach()`
 * adds its own behind its port, and so after this or instead of it.
 */
export async function removeIdleBridge(
  route: RouteSocket,
  bridge: LinkRef,
  options: RequestOptions = {},
): Promise<boolean> {
  const link = await route.request(getLink(bridge), options);
  if (link?.alias !== bridgeTag) return false;
  // Somebody may have made another bridge of that name meanwhile: the rules are theirs then.
  const onlyIf = async () =>
    (await route.request(getLink(link.name), options))?.index === link.index &&
    !await hasPorts(route, link.index, options);
  if (!await onlyIf()) return false;
  const group = crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1 | 1 << 30;
  const { fallback: _, ...mark } = setLink(link.index, { group });
  const marking = { ...mark, ...deleted(["ENODEV"]) };
  if (!await route.request(marking, options)) return false;
  using nat = new NatTable();
  await nat.removeBridge(link.name, { ...options, onlyIf });
  if (!await onlyIf()) return false;
  return await route.request(deleteLink({ group }), options);
}

/** What {@linkcode undoAttachment} is told besides the key. */
export interface UndoAttachmentOptions extends RequestOptions {
  /** The bridge it was on: the end of the namespace may have taken the link, which tells it. */
  readonly bridge?: string;
}

/** Takes a namespace off its bridge, and tells whether there was anything to undo. */
export async function undoAttachment(
  key: string,
  { bridge, ...options }: UndoAttachmentOptions,
): Promise<boolean> {
  using route = new RouteSocket();
  using nat = new NatTable();
  const closed = await nat.unpublish({ owner: key }, options);
  const checked = (await listMacChecks(options))
    .filter((check) => check.key === key).map(({ link }) => link);
  const confined = (await nat.confined(options))
    .filter(({ owner }) => owner === key).map(({ link }) => link);
  const ends = (await listEnds(route, options)).filter((end) =>
    end.key === key
  );
  for (const { link } of ends) {
    await route.request(deleteLink(link.index), options);
  }
  // Behind the links, as nothing is let go that still has one; and by them, as the key may be another's by now.
  await removeMacChecks(checked, options);
  if (confined.length > 0) {
    await nat.unconfine(({ link }) => confined.includes(link), options);
  }
  const bridges = new Set<LinkRef | undefined>(
    ends.length === 0 ? [bridge] : ends.map(({ link }) => link.master),
  );
  for (const one of bridges) {
    if (one !== undefined) await removeIdleBridge(route, one, options);
  }
  const done = [ends, closed, checked, confined];
  return done.some(({ length }) => length > 0);
}
