/** How links are confined: what is in the tables for them, and what is missing there. */
import { chainOf, confinedFlows } from "./_confine_flows.ts";
import { confinedFrames } from "./_confine_frames.ts";
import type { NatView } from "./_nat_plan.ts";
import { listRuleNames } from "./_list_rule_names.ts";
import type { RuleSet, RuleSetElement } from "./_rule_set.ts";
import type { ConfinedLink, ConfinedLinkName } from "./confinement.ts";
import { NftBatch } from "./nft_batch.ts";
import {
  listNftChains,
  listNftElements,
  listNftTables,
  type NftTableRef,
} from "./nft_list.ts";
import type { NftElement } from "./nft_types.ts";

/** Beside the table of address translation, of the same name in both families: most hosts need neither. */
function refOf(view: NatView, { family }: RuleSet): NftTableRef {
  return { family, table: `${view.table}-confined` };
}

/** What elements are marked with: no name of a link has a space. */
function commentOf({ link, owner }: ConfinedLinkName): string {
  return owner === undefined ? link : `${link} ${owner}`;
}

function nameOf(comment: string | undefined): ConfinedLinkName | undefined {
  if (comment === undefined) return undefined;
  const space = comment.indexOf(" ");
  return space === -1 ? { link: comment, owner: undefined } : {
    link: comment.slice(0, space),
    owner: comment.slice(space + 1),
  };
}

function isSameKey(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Adds what is not there for these links, to both tables at once. */
export async function addConfined(
  view: NatView,
  batch: NftBatch,
  links: readonly ConfinedLink[],
): Promise<void> {
  if (links.length === 0) return;
  for (const wanted of [confinedFrames(links), confinedFlows(links)]) {
    const ref = refOf(view, wanted);
    const part = new NftBatch(ref.family, ref.table);
    await addRules(view, part, wanted);
    await addElements(view, part, wanted);
    if (part.isEmpty) continue;
    const whole = new NftBatch(ref.family, ref.table);
    whole.createTable({ owned: view.owned });
    for (const [name, base] of Object.entries(wanted.chains)) {
      whole.createChain(name, base);
    }
    for (const [name, spec] of Object.entries(wanted.sets)) {
      whole.createSet(name, spec);
    }
    batch.wires.push(...whole.wires, ...part.wires);
  }
}

/** Writes chains anew of which a rule is missing: what they do rests on the order. */
async function addRules(
  view: NatView,
  batch: NftBatch,
  wanted: RuleSet,
): Promise<void> {
  const ref = refOf(view, wanted);
  const chains = Map.groupBy(wanted.rules, ({ chain }) => chain);
  for (const [chain, rules] of chains) {
    const list = listRuleNames(view.nft, { ...ref, chain }, view.wait);
    const there = new Set((await list).map(({ comment }) => comment));
    if (rules.every(({ comment }) => there.has(comment))) continue;
    batch.deleteRules(chain);
    for (const { comment, expressions } of rules) {
      batch.appendRule(chain, expressions, { comment });
    }
  }
}

async function addElements(
  view: NatView,
  batch: NftBatch,
  wanted: RuleSet,
): Promise<void> {
  const bySet = Map.groupBy(wanted.elements, ({ set }) => set);
  for (const [set, elements] of bySet) {
    const there = await view.nft.request(
      listNftElements({ ...refOf(view, wanted), set }),
      view.wait,
    );
    const missing = elements.filter((one) => !isThere(one, there));
    batch.addElements(
      set,
      missing.map(({ of, element }) => ({
        ...element,
        comment: commentOf(of),
      })),
    );
  }
}

/** Whether an element is there already; it may not be another link's. */
function isThere(
  { of, element }: RuleSetElement,
  there: readonly NftElement[],
): boolean {
  const found = there.find(({ key }) => isSameKey(key, element.key));
  if (found === undefined) return false;
  if (found.comment === commentOf(of)) return true;
  const holder = nameOf(found.comment);
  throw new Deno.errors.AlreadyExists(
    `Cannot confine link "${of.link}" on "${of.bridge}" to ${
      of.addresses.join(", ")
    }: link "${holder?.link}" of "${holder?.owner}" is confined to one of them there`,
  );
}

/** The elements of a table, by their sets. */
async function listAll(
  view: NatView,
  ref: NftTableRef,
  { sets }: RuleSet,
): Promise<[set: string, elements: NftElement[]][]> {
  const { nft, wait } = view;
  const all: [string, NftElement[]][] = [];
  for (const set of Object.keys(sets)) {
    all.push([set, await nft.request(listNftElements({ ...ref, set }), wait)]);
  }
  return all;
}

/** What there is, in the tables that are there. */
async function look(view: NatView) {
  const found = [];
  for (const empty of [confinedFrames([]), confinedFlows([])]) {
    const ref = refOf(view, empty);
    const tables = await view.nft.request(listNftTables(ref.family), view.wait);
    if (!tables.includes(ref.table)) continue;
    found.push({ ref, sets: await listAll(view, ref, empty) });
  }
  return found;
}

/** The links that are confined, by anyone. */
export async function listConfined(view: NatView): Promise<ConfinedLinkName[]> {
  const names = new Map<string, ConfinedLinkName>();
  for (const { sets } of await look(view)) {
    for (const { comment } of sets.flatMap(([, elements]) => elements)) {
      const name = nameOf(comment);
      if (name !== undefined) names.set(comment!, name);
    }
  }
  return [...names.values()];
}

/** Removes what is there for links, and the tables with the last of them; gives which links those were. */
export async function removeConfined(
  view: NatView,
  batch: NftBatch,
  fits: (link: ConfinedLinkName) => boolean,
): Promise<ConfinedLinkName[]> {
  const tables = await look(view);
  const gone = new Map<string, ConfinedLinkName>();
  const isGone = ({ comment }: NftElement) => {
    const name = nameOf(comment);
    if (name === undefined || !fits(name)) return false;
    gone.set(comment!, name);
    return true;
  };
  let left = 0;
  const parts = tables.map(({ ref, sets }) => {
    const part = new NftBatch(ref.family, ref.table);
    for (const [set, elements] of sets) {
      const mine = elements.filter(isGone);
      left += elements.length - mine.length;
      part.deleteElements(set, mine.map(({ key }) => ({ key })));
    }
    return { ref, part };
  });
  if (gone.size === 0) return [];
  for (const { ref, part } of parts) {
    if (left === 0) {
      const whole = new NftBatch(ref.family, ref.table);
      whole.deleteTable();
      batch.wires.push(...whole.wires);
      continue;
    }
    const chains = await view.nft.request(listNftChains(ref), view.wait);
    for (const { link } of gone.values()) {
      const chain = chainOf(link);
      if (!chains.includes(chain)) continue;
      part.deleteRules(chain);
      part.deleteChain(chain);
    }
    batch.wires.push(...part.wires);
  }
  return [...gone.values()];
}
