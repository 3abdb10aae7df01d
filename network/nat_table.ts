/**
 * Address translation for containers.
 *
 * @module
 */

import { listConfined, removeConfined } from "./_confine_plan.ts";
import { listPublished } from "./_list_published.ts";
import { forgetLed, forgetStale } from "./_nat_flows.ts";
import { isSame, NatMemory, toState } from "./_nat_memory.ts";
import { addMissing, FAMILY, type NatView } from "./_nat_plan.ts";
import type { CheckedPort } from "./_nat_ports.ts";
import { removePorts, removeRules } from "./_nat_removal.ts";
import { createStructure } from "./_nat_rules.ts";
import { changeNft } from "./_nft_change.ts";
import { Turns } from "./_turns.ts";
import type { ConfinedLinkName } from "./confinement.ts";
import type { NatEntries } from "./nat_entries.ts";
import type {
  NatTableOptions,
  RemoveBridgeOptions,
  UnpublishOptions,
} from "./nat_table_options.ts";
import type { NftBatch } from "./nft_batch.ts";
import { type NftEvent, NftMonitor } from "./nft_monitor.ts";
import { NftSocket } from "./nft_socket.ts";
import type { PortSpec, PublishedPort } from "./published_port.ts";
import type { RequestOptions } from "./route_socket.ts";

/**
 * A table of nftables for containers: who gets out with the host's address,
 * which ports of the host lead in, and which bridges are kept apart. What
 * confines links is in two more of its name with `-confined` behind it, one in
 * the family `inet` and one in `bridge`.
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
  readonly #memory = new NatMemory();
  readonly #end = new AbortController();
  readonly #turns = new Turns();

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
   * @throws {Deno.errors.AlreadyExists} If another link of the bridge is confined to one of the addresses.
   * @throws {NetlinkError} If the kernel refuses.
   * @throws {RangeError} If a port is out of range.
   */
  async add(
    entries: NatEntries,
    options: RequestOptions = {},
  ): Promise<void> {
    const state = toState(entries);
    const plan = async (batch: NftBatch) => {
      await addMissing(this.#view(options), batch, state);
      // Who is about to remove what is there has to look again.
      if (batch.isEmpty && state.rules.length > 0) {
        createStructure(batch, { owned: this.#owned });
      }
    };
    await this.#change(plan, options, () => this.#memory.add(state));
    await this.#forgetStale(state.ports);
  }

  /**
   * Takes what others added for its own, without looking whether it is there:
   * `ensure()` and `watch()` put it back until the result is disposed. Do that
   * before it is removed.
   *
   * @param entries What was added, such as the `entries` of an attachment.
   * @returns Disposing it leaves the entries to others again.
   */
  adopt(entries: NatEntries): Disposable {
    return this.#memory.add(toState(entries));
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
   * @returns Whether anything was missing.
   * @throws {PortInUseError} If somebody else has published a port meanwhile.
   * @throws {NetlinkError} If the kernel refuses.
   */
  async ensure(options: RequestOptions = {}): Promise<boolean> {
    let missing = false;
    const plan = async (batch: NftBatch) => {
      const { rules, isolated, ports, confined } = this.#memory.all;
      const there = await this.published(options);
      await addMissing(this.#view(options), batch, {
        rules,
        isolated,
        ports: ports.filter((port) => !there.some((one) => isSame(port, one))),
        confined,
      });
      missing = !batch.isEmpty;
    };
    await this.#change(plan, options, () => {});
    return missing;
  }

  /**
   * Puts back what this object added or adopted whenever somebody removes it,
   * until the signal or the closing of this object ends it.
   *
   * @param options The signal, and how to wait.
   * @returns What happened before something was put back, each time after that; `undefined` if it was missing from the start.
   * @throws {PortInUseError} If somebody else has published a port meanwhile.
   * @throws {NetlinkError} If the kernel refuses.
   *
   * @example Usage
   * ```ts ignore
   * import { attach, NatTable } from "@containerkit/network";
   *
   * using nat = new NatTable();
   * const options = { bridge: "ck0", address: "10.88.0.2/16", masquerade: true };
   * await using attachment = await attach({ path: "/run/netns/blue" }, options);
   * using _adopted = nat.adopt(attachment.entries);
   * for await (const event of nat.watch()) console.log("put back after", event);
   * ```
   */
  async *watch(
    options: RequestOptions = {},
  ): AsyncGenerator<NftEvent | undefined> {
    const { signal } = options;
    using netns = this.#nft.openNetns();
    using monitor = new NftMonitor({ netns, signal });
    const end = this.#end.signal;
    end.addEventListener("abort", () => monitor.close());
    try {
      if (await this.ensure(options)) yield undefined;
      for await (const event of monitor) {
        if (await this.ensure(options)) yield event;
      }
    } catch (error) {
      if (!end.aborted) throw error;
    }
  }

  /**
   * Lists the ports that are published in this table, by anyone.
   *
   * @param options How to wait.
   * @returns The ports.
   */
  async published(options: RequestOptions = {}): Promise<PublishedPort[]> {
    return await listPublished(this.#view(options));
  }

  /**
   * Closes ports, and ends the flows through them. The whole table goes with
   * the last of them if no bridge has rules.
   *
   * @param which Which ones: all of an owner, or what the function says.
   * @param options How to wait, and what becomes of the flows.
   * @returns What was published.
   */
  async unpublish(
    which: { readonly owner: string } | ((port: PublishedPort) => boolean),
    options: UnpublishOptions = {},
  ): Promise<PublishedPort[]> {
    const fits = typeof which === "function"
      ? which
      : (port: PublishedPort) => port.owner === which.owner;
    let closed: PublishedPort[] = [];
    const plan = async (batch: NftBatch) => {
      closed = await removePorts(this.#view(options), batch, fits);
    };
    await this.#change(plan, options, () => this.#memory.forgetPorts(fits));
    // It is done: what follows is not to be aborted.
    if (options.flows !== "keep") await this.endFlows(closed);
    return closed;
  }

  /**
   * Ends the flows through ports that were closed with `flows: "keep"`. The
   * kernel's whole table of flows is searched for them, which takes some
   * milliseconds; until then flows that were there go on.
   *
   * @param ports The ports that were closed.
   * @throws {NetlinkError} If the kernel refuses.
   */
  async endFlows(ports: readonly PublishedPort[]): Promise<void> {
    await forgetLed(this.#nft, ports);
  }

  /**
   * Lists the links that are confined in this table, by anyone.
   *
   * @param options How to wait.
   * @returns The links.
   */
  async confined(options: RequestOptions = {}): Promise<ConfinedLinkName[]> {
    return await listConfined(this.#view(options));
  }

  /**
   * Lets links reach everything again, and be reached. One that is there and
   * up should be deleted before, or set down.
   *
   * @param which Which ones: all of an owner, or what the function says.
   * @param options How to wait.
   * @returns The links that were confined.
   */
  async unconfine(
    which: { readonly owner: string } | ((link: ConfinedLinkName) => boolean),
    options: RequestOptions = {},
  ): Promise<ConfinedLinkName[]> {
    const fits = typeof which === "function"
      ? which
      : (link: ConfinedLinkName) => link.owner === which.owner;
    let gone: ConfinedLinkName[] = [];
    const plan = async (batch: NftBatch) => {
      gone = await removeConfined(this.#view(options), batch, fits);
    };
    await this.#change(plan, options, () => this.#memory.forgetConfined(fits));
    return gone;
  }

  /**
   * Removes the rules of a bridge, and the whole table with the last of them
   * if no port is published.
   *
   * @param bridge The name of the bridge.
   * @param options How to wait, and on which condition.
   */
  async removeBridge(
    bridge: string,
    options: RemoveBridgeOptions = {},
  ): Promise<void> {
    const { onlyIf } = options;
    const plan = async (batch: NftBatch) => {
      if (onlyIf !== undefined && !await onlyIf()) return;
      await removeRules(this.#view(options), batch, bridge);
    };
    await this.#change(plan, options, () => this.#memory.forgetBridge(bridge));
  }

  /** Closes the socket, and ends `watch()`; what is in the kernel stays unless the table is owned. */
  close(): void {
    this.#end.abort();
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
    try {
      await forgetStale(this.#nft, ports);
    } catch (error) {
      await this.unpublish((port) => ports.some((one) => isSame(one, port)));
      throw error;
    }
  }

  /** One change after another: what is remembered is what the last one left. */
  #change(
    plan: (batch: NftBatch) => Promise<void>,
    options: RequestOptions,
    done: () => unknown,
  ): Promise<void> {
    return this.#turns.take(async () => {
      const ref = { family: FAMILY, table: this.table } as const;
      await changeNft(this.#nft, ref, { ...options, plan });
      done();
    }, options.signal);
  }

  #view(options: RequestOptions): NatView {
    const { table } = this;
    return { nft: this.#nft, table, owned: this.#owned, wait: options };
  }
}
