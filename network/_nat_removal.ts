/** What goes when ports are closed, or a bridge has no containers any more. */
import { listPublished } from "./_list_published.ts";
import {
  isName,
  listIsolated,
  listNatRules,
  listPorts,
  type NatView,
} from "./_nat_plan.ts";
import { PORT_MAPS } from "./_nat_ports.ts";
import { BASE_RULES, ISOLATED, isRuleOf } from "./_nat_rules.ts";
import type { NftBatch } from "./nft_batch.ts";
import type { NftRuleName } from "./_nft_rule_name.ts";
import type { PublishedPort } from "./published_port.ts";

/** Whether a rule is there for somebody, and not in every table. */
function isOwn({ comment }: NftRuleName): boolean {
  return BASE_RULES.every((rule) => rule.comment !== comment);
}

/** Removes ports, and the whole table with the last of them if no bridge has rules; gives what was published. */
export async function removePorts(
  view: NatView,
  batch: NftBatch,
  fits: (port: PublishedPort) => boolean,
): Promise<PublishedPort[]> {
  const closed: PublishedPort[] = [];
  let left = 0;
  for (const map of PORT_MAPS) {
    const ports = await listPorts(view, map);
    const found = ports.filter(({ port }) => fits(port));
    left += ports.length - found.length;
    if (found.length === 0) continue;
    closed.push(...found.map(({ port }) => port));
    batch.deleteElements(
      map.name,
      found.map(({ element: { key } }) => ({ key })),
    );
  }
  if (batch.isEmpty || left > 0) return closed;
  const rules = await listNatRules(view);
  if (!rules.some(isOwn)) batch.deleteTable();
  return closed;
}

/** Removes the rules of a bridge, and the whole table with the last of them if no port is published. */
export async function removeRules(
  view: NatView,
  batch: NftBatch,
  bridge: string,
): Promise<void> {
  const rules = await listNatRules(view);
  const gone = rules.filter(({ comment }) => isRuleOf(bridge, comment));
  const rest = rules.filter((rule) => !gone.includes(rule) && isOwn(rule));
  const isLast = rules.length > 0 && rest.length === 0 &&
    (await listPublished(view)).length === 0;
  if (isLast) {
    batch.deleteTable();
    return;
  }
  for (const { chain, handle } of gone) batch.deleteRules(chain, handle);
  const isolated = await listIsolated(view);
  const element = isolated.find(({ key }) => isName(key, bridge));
  if (element !== undefined) batch.deleteElements(ISOLATED, [element]);
}
