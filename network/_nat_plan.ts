import { addConfined } from "./_confine_plan.ts";
import { listRuleNames } from "./_list_rule_names.ts";
import {
  type CheckedPort,
  conflicts,
  describePort,
  fromElement,
  PORT_MAPS,
  type PortMap,
  toElement,
} from "./_nat_ports.ts";
import type { NatState } from "./_nat_memory.ts";
import { createStructure, ISOLATED } from "./_nat_rules.ts";
import { linkName } from "./_nft_match.ts";
import type { NftBatch } from "./nft_batch.ts";
import type { NftElement } from "./nft_types.ts";
import { listNftElements } from "./nft_list.ts";
import type { NftRuleName } from "./_nft_rule_name.ts";
import type { NftSocket } from "./nft_socket.ts";
import { PortInUseError } from "./port_in_use_error.ts";
import type { PublishedPort } from "./published_port.ts";
import type { RequestOptions } from "./route_socket.ts";

/** The family of all tables of address translation. */
export const FAMILY = "inet";

/** A table, and how to look at it. */
export interface NatView {
  readonly nft: NftSocket;
  readonly table: string;
  readonly owned: boolean;
  readonly wait: RequestOptions;
}

/** A port and the element it stands in. */
interface FoundPort {
  readonly element: NftElement;
  readonly port: PublishedPort;
}

/** The rules that are there, by their names. */
export function listNatRules(
  { nft, table, wait }: NatView,
): Promise<NftRuleName[]> {
  return listRuleNames(nft, { family: FAMILY, table }, wait);
}

/** The bridges that are kept apart. */
export function listIsolated(
  { nft, table, wait }: NatView,
): Promise<NftElement[]> {
  const ref = { family: FAMILY, table, set: ISOLATED } as const;
  return nft.request(listNftElements(ref), wait);
}

/** The ports that are published by a map. */
export async function listPorts(
  { nft, table, wait }: NatView,
  map: PortMap,
): Promise<FoundPort[]> {
  const ref = { family: FAMILY, table, set: map.name } as const;
  const elements = await nft.request(listNftElements(ref), wait);
  return elements.flatMap((element) => {
    const port = fromElement(map, element);
    return port === undefined ? [] : [{ element, port }];
  });
}

/** Adds what is not there; a port must be free. */
export async function addMissing(
  view: NatView,
  batch: NftBatch,
  wanted: NatState,
): Promise<void> {
  await addRules(view, batch, wanted);
  await addIsolated(view, batch, wanted.isolated);
  await addPorts(view, batch, wanted.ports);
  await addConfined(view, batch, wanted.confined);
}

async function addRules(
  view: NatView,
  batch: NftBatch,
  { rules }: NatState,
): Promise<void> {
  if (rules.length === 0) return;
  const present = await listNatRules(view);
  const there = new Set(present.map(({ comment }) => comment));
  const missing = rules.filter(({ comment }) => !there.has(comment));
  if (missing.length === 0) return;
  createStructure(batch, { owned: view.owned });
  for (const { chain, comment, expressions } of missing) {
    if (there.has(comment)) continue;
    there.add(comment);
    batch.appendRule(chain, expressions, { comment });
  }
}

async function addIsolated(
  view: NatView,
  batch: NftBatch,
  bridges: readonly string[],
): Promise<void> {
  if (bridges.length === 0) return;
  const there = await listIsolated(view);
  const missing = bridges.filter((bridge) =>
    !there.some(({ key }) => isName(key, bridge))
  );
  batch.addElements(
    ISOLATED,
    missing.map((bridge) => ({ key: linkName(bridge) })),
  );
}

async function addPorts(
  view: NatView,
  batch: NftBatch,
  ports: readonly CheckedPort[],
): Promise<void> {
  const families = new Set(ports.map(({ map }) => map.family));
  for (const family of families) {
    const maps = PORT_MAPS.filter((map) => map.family === family);
    const taken: PublishedPort[] = [];
    for (const map of maps) {
      taken.push(...(await listPorts(view, map)).map(({ port }) => port));
    }
    const index = Map.groupBy(taken, ({ hostPort }) => hostPort);
    for (const map of maps) {
      const mine = ports.filter((port) => port.map === map);
      for (const port of mine) {
        const same = index.get(port.hostPort) ?? [];
        const holder = same.find((other) => conflicts(port, other));
        if (holder !== undefined) {
          throw new PortInUseError(describePort(port), holder);
        }
        index.set(port.hostPort, [...same, port]);
      }
      batch.addElements(map.name, mine.map(toElement));
    }
  }
}

/** Whether an element of the set of bridges is a bridge. */
export function isName(key: Uint8Array, bridge: string): boolean {
  return linkName(bridge).every((byte, index) => key[index] === byte);
}
