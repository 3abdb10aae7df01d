/**
 * Address translation for containers.
 *
 * @module
 */

import { checkLinkName } from "./_link_message.ts";
import {
  type CheckedPort,
  conflicts,
  describePort,
  expandPorts,
  fromElement,
  PORT_MAPS,
  type PortMap,
  toElement,
} from "./_nat_ports.ts";
import {
  BASE_RULES,
  bridgeRules,
  createStructure,
  ISOLATED,
  isolationRule,
  isRuleOf,
  linkName,
  type NatRule,
} from "./_nat_rules.ts";
import { forgetFlows } from "./_port_flows.ts";
import type { NetNs } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";
import { NftBatch, type NftElement } from "./nft_batch.ts";
import {
  getNftGeneration,
  listNftElements,
  listNftRules,
  type NftRule,
} from "./nft_list.ts";
import { NftSocket } from "./nft_socket.ts";
import { PortInUseError } from "./port_in_use_error.ts";
import { formatPrefix, networkOf, parsePrefix } from "./prefix.ts";
import type { PortSpec, PublishedPort } from "./published_port.ts";
import type { RequestOptions } from "./route_socket.ts";
import type { Flow } from "./unstable_conntrack.ts";

/** Options of {@linkcode NatTable}. */
export interface NatTableOptions {
  /**
   * The name of the table, in the family `inet`.
   *
   * @default {"containerkit"}
   */
  readonly table?: string | undefined;
  /**
   * The namespace it is in, for life.
   *
   * @default {the one the thread is in}
   */
  readonly netns?: NetNs | undefined;
  /**
   * Whether the table goes when this object is closed, or the program ends.
   * Nobody else can change it then.
   *
   * @default {false}
   */
  readonly owned?: boolean | undefined;
}

/** A bridge whose containers shall reach others. */
export interface NatBridge {
  /** The name of the bridge. */
  readonly bridge: string;
  /** The network of its containers. */
  readonly subnet: string;
  /**
   * Whether what leaves by other links gets their address.
   *
   * @default {true}
   */
  readonly outbound?: boolean | undefined;
}

/** What to add to a table in one go. */
export interface NatEntries {
  /** Bridges whose containers shall reach others. */
  readonly bridges?: readonly NatBridge[] | undefined;
  /** Names of bridges that shall not reach one another, except by published ports. */
  readonly isolate?: readonly string[] | undefined;
  /** Ports of the host that shall lead to containers. */
  readonly publish?: readonly PortSpec[] | undefined;
}

const FAMILY = "inet";
/** How often a change is planned anew when others change the rules too. */
const ATTEMPTS = 32;

function rulesFor(entries: NatEntries): NatRule[] {
  const { bridges = [], isolate = [] } = entries;
  for (const { bridge } of bridges) checkLinkName(bridge);
  isolate.forEach(checkLinkName);
  return [
    ...BASE_RULES,
    ...bridges.flatMap(({ bridge, subnet, outbound = true }) =>
      bridgeRules({
        bridge,
        outbound,
        subnet: formatPrefix(networkOf(parsePrefix(subnet))),
      })
    ),
    ...isolate.map(isolationRule),
  ];
}

/**
 * A table of nftables for containers: who gets out with the host's address,
 * which ports of the host lead in, and which bridges are kept apart.
 *
 * Every change is one transaction, and rests on the state it was planned for:
 * any number of programs may use one table at once. What is in the kernel
 * stays when this object is closed.
 *
 * @example Usage
 * ```ts ignore
 * import { NatTable } from "@containerkit/network";
 *
 * using nat = new NatTable();
 * await nat.masquerade("10.88.0.0/16", { bridge: "ck0" });
 * await nat.publish({
 *   hostAddress: "127.0.0.1",
 *   hostPort: 8080,
 *   target: "10.88.0.2",
 *   targetPort: 80,
 * });
 * ```
 */
export class NatTable implements Disposable {
  /** The name of the table. */
  readonly table: string;
  readonly #nft: NftSocket;
  readonly #owned: boolean;
  #rules = new Map<string, NatRule>();
  #isolated = new Set<string>();
  #ports: CheckedPort[] = [];

  /**
   * Opens a socket; the table is made by the first change.
   *
   * @param options Which table, and where.
   * @throws {SyscallError} If the kernel refuses.
   */
  constructor(options: NatTableOptions = {}) {
    this.table = options.table ?? "containerkit";
    this.#owned = options.owned ?? false;
    this.#nft = new NftSocket({ netns: options.netns });
  }

  /**
   * Adds what is missing, all or nothing.
   *
   * @param entries What to add; rules that are there stay as they are.
   * @param options How to wait.
   * @throws {PortInUseError} If a port is published already.
   * @throws {NetlinkError} If the kernel refuses.
   * @throws {RangeError} If a port is out of range.
   */
  async add(
    entries: NatEntries,
    options: RequestOptions = {},
  ): Promise<void> {
    const rules = rulesFor(entries);
    const isolated = entries.isolate ?? [];
    const ports = (entries.publish ?? []).flatMap(expandPorts);
    await this.#change(async (batch) => {
      await this.#addRules(batch, rules, options);
      await this.#addIsolated(batch, isolated, options);
      await this.#addPorts(batch, ports, options);
    }, options);
    await this.#forgetStale(ports);
    for (const rule of rules) this.#rules.set(rule.comment, rule);
    for (const bridge of isolated) this.#isolated.add(bridge);
    this.#ports.push(...ports);
  }

  /**
   * Lets the containers of a bridge out, with the address of the link they leave by.
   *
   * @param subnet The network of the containers, such as `10.88.0.0/16`.
   * @param options The bridge.
   */
  masquerade(
    subnet: string,
    options: RequestOptions & { readonly bridge: string },
  ): Promise<void> {
    return this.add({ bridges: [{ subnet, bridge: options.bridge }] }, options);
  }

  /**
   * Leads a port of the host, or several in a row, to a container.
   *
   * @param port The port.
   * @param options How to wait.
   * @throws {PortInUseError} If it is published already.
   */
  publish(port: PortSpec, options: RequestOptions = {}): Promise<void> {
    return this.add({ publish: [port] }, options);
  }

  /**
   * Puts back what this object added and somebody removed, as `nft flush
   * ruleset` and a reload of a firewall do.
   *
   * @param options How to wait.
   * @throws {NetlinkError} If the kernel refuses.
   */
  async ensure(options: RequestOptions = {}): Promise<void> {
    const rules = [...BASE_RULES, ...this.#rules.values()];
    const ports = this.#ports;
    await this.#change(async (batch) => {
      await this.#addRules(batch, rules, options);
      await this.#addIsolated(batch, [...this.#isolated], options);
      const there = await this.published(options);
      await this.#addPorts(
        batch,
        ports.filter((port) => !there.some((other) => isSame(port, other))),
        options,
      );
    }, options);
  }

  /**
   * Lists the ports that are published in this table, by anyone.
   *
   * @param options How to wait.
   * @returns The ports.
   */
  async published(options: RequestOptions = {}): Promise<PublishedPort[]> {
    const ports: PublishedPort[] = [];
    for (const map of PORT_MAPS) {
      for (const { port } of await this.#elements(map, options)) {
        ports.push(port);
      }
    }
    return ports;
  }

  /**
   * Closes ports, and ends the flows through them.
   *
   * @param which Which ones: all of an owner, or what the function says.
   * @param options How to wait.
   * @returns What was published.
   */
  async unpublish(
    which: { readonly owner: string } | ((port: PublishedPort) => boolean),
    options: RequestOptions = {},
  ): Promise<PublishedPort[]> {
    const fits = typeof which === "function"
      ? which
      : (port: PublishedPort) => port.owner === which.owner;
    let closed: PublishedPort[] = [];
    await this.#change(async (batch) => {
      closed = [];
      for (const map of PORT_MAPS) {
        const found = (await this.#elements(map, options))
          .filter(({ port }) => fits(port));
        if (found.length === 0) continue;
        closed.push(...found.map(({ port }) => port));
        batch.deleteElements(
          map.name,
          found.map(({ element: { key } }) => ({ key })),
        );
      }
    }, options);
    // It is done: what follows is not to be aborted.
    await forgetFlows(this.#nft, closed, isLedBy);
    this.#ports = this.#ports.filter((port) => !fits(port));
    return closed;
  }

  /**
   * Removes the rules of a bridge, and the whole table with the last of them
   * if no port is published.
   *
   * @param bridge The name of the bridge.
   * @param options How to wait.
   */
  async removeBridge(
    bridge: string,
    options: RequestOptions = {},
  ): Promise<void> {
    await this.#change(async (batch) => {
      const rules = await this.#listRules(options);
      const gone = rules.filter(({ comment }) => isRuleOf(bridge, comment));
      const isBase = ({ comment }: NftRule) =>
        BASE_RULES.some((rule) => rule.comment === comment);
      const rest = rules.filter((rule) =>
        !gone.includes(rule) && !isBase(rule)
      );
      const isLast = rules.length > 0 && rest.length === 0 &&
        (await this.published(options)).length === 0;
      if (isLast) {
        batch.deleteTable();
        return;
      }
      for (const { chain, handle } of gone) batch.deleteRules(chain, handle);
      const isolated = await this.#isolatedElements(options);
      const element = isolated.find(({ key }) => isName(key, bridge));
      if (element !== undefined) batch.deleteElements(ISOLATED, [element]);
    }, options);
    for (const comment of this.#rules.keys()) {
      if (isRuleOf(bridge, comment)) this.#rules.delete(comment);
    }
    this.#isolated.delete(bridge);
  }

  /** Closes the socket; what is in the kernel stays unless the table is owned. */
  close(): void {
    this.#nft.close();
  }

  /** Closes the socket at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * A sender that was at it before its port was open keeps a flow to nowhere.
   * The ports are open by now: no signal may end this, and an error closes them.
   */
  async #forgetStale(ports: readonly CheckedPort[]): Promise<void> {
    const datagrams = ports.filter(({ protocol }) => protocol === "udp");
    try {
      await forgetFlows(this.#nft, datagrams, isStale);
    } catch (error) {
      await this.unpublish((port) => ports.some((one) => isSame(one, port)));
      throw error;
    }
  }

  /** Plans and commits until nobody interfered. */
  async #change(
    plan: (batch: NftBatch) => Promise<void>,
    options: RequestOptions,
  ): Promise<void> {
    for (let attempt = 1;; attempt++) {
      const generation = await this.#nft.request(getNftGeneration(), options);
      const batch = new NftBatch(FAMILY, this.table);
      await plan(batch);
      try {
        return await this.#nft.commit(batch, { ...options, generation });
      } catch (error) {
        const stale = error instanceof NetlinkError &&
          error.code === "ERESTART";
        if (!stale || attempt === ATTEMPTS) throw error;
      }
    }
  }

  #listRules(options: RequestOptions): Promise<NftRule[]> {
    return this.#nft.request(
      listNftRules({ family: FAMILY, table: this.table }),
      options,
    );
  }

  async #addRules(
    batch: NftBatch,
    wanted: readonly NatRule[],
    options: RequestOptions,
  ): Promise<void> {
    const present = await this.#listRules(options);
    const there = new Set(present.map(({ comment }) => comment));
    const missing = wanted.filter(({ comment }) => !there.has(comment));
    if (missing.length === 0) return;
    createStructure(batch, { owned: this.#owned });
    const added = new Set<string>();
    for (const { chain, comment, expressions } of missing) {
      if (added.has(comment)) continue;
      added.add(comment);
      batch.appendRule(chain, expressions, { comment });
    }
  }

  async #addIsolated(
    batch: NftBatch,
    bridges: readonly string[],
    options: RequestOptions,
  ): Promise<void> {
    if (bridges.length === 0) return;
    const there = await this.#isolatedElements(options);
    const missing = bridges.filter((bridge) =>
      !there.some(({ key }) => isName(key, bridge))
    );
    batch.addElements(
      ISOLATED,
      missing.map((bridge) => ({ key: linkName(bridge) })),
    );
  }

  #isolatedElements(options: RequestOptions): Promise<NftElement[]> {
    return this.#nft.request(
      listNftElements({ family: FAMILY, table: this.table, set: ISOLATED }),
      options,
    );
  }

  async #addPorts(
    batch: NftBatch,
    ports: readonly CheckedPort[],
    options: RequestOptions,
  ): Promise<void> {
    const families = new Set(ports.map(({ map }) => map.family));
    for (const family of families) {
      const maps = PORT_MAPS.filter((map) => map.family === family);
      const taken: PublishedPort[] = [];
      for (const map of maps) {
        for (const { port } of await this.#elements(map, options)) {
          taken.push(port);
        }
      }
      const index = Map.groupBy(taken, ({ hostPort }) => hostPort);
      for (const map of maps) {
        const mine = ports.filter((port) => port.map === map);
        for (const port of mine) {
          const holder = index.get(port.hostPort)
            ?.find((other) => conflicts(port, other));
          if (holder !== undefined) {
            throw new PortInUseError(describePort(port), holder);
          }
          const same = index.get(port.hostPort) ?? [];
          index.set(port.hostPort, [...same, port]);
        }
        batch.addElements(map.name, mine.map(toElement));
      }
    }
  }

  async #elements(
    map: PortMap,
    options: RequestOptions,
  ): Promise<{ element: NftElement; port: PublishedPort }[]> {
    const elements = await this.#nft.request(
      listNftElements({ family: FAMILY, table: this.table, set: map.name }),
      options,
    );
    return elements.flatMap((element) => {
      const port = fromElement(map, element);
      return port === undefined ? [] : [{ element, port }];
    });
  }
}

function isName(key: Uint8Array, bridge: string): boolean {
  return linkName(bridge).every((byte, index) => key[index] === byte);
}

/** Whether a flow goes to a port of the host and is not led on. */
function isStale(flow: Flow): boolean {
  return flow.reply.source === flow.original.destination;
}

/** Whether a flow is led by a port. */
function isLedBy(flow: Flow, port: PublishedPort): boolean {
  return flow.reply.source === port.target &&
    flow.reply.sourcePort === port.targetPort;
}

function isSame(a: PublishedPort, b: PublishedPort): boolean {
  return a.protocol === b.protocol && a.hostAddress === b.hostAddress &&
    a.hostPort === b.hostPort && a.target === b.target &&
    a.targetPort === b.targetPort && a.owner === b.owner;
}
