/**
 * What `attach()` gives.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { undoAttachment } from "./_attachment_undo.ts";
import { removeMacChecks } from "./_mac_check.ts";
import { keyTag } from "./_owner_tag.ts";
import { deleted } from "./_route_request.ts";
import { deleteAltName } from "./alt_name.ts";
import { getLink } from "./get_link.ts";
import type { NatEntries } from "./nat_entries.ts";
import { NatTable } from "./nat_table.ts";
import type { NetlinkError } from "./netlink_error.ts";
import type { PublishedPort } from "./published_port.ts";
import { type RequestOptions, RouteSocket } from "./route_socket.ts";
import { setLink } from "./set_link.ts";

/** What {@linkcode Attachment} is made of. */
export interface AttachmentDetails {
  /** What it is found by later. */
  readonly key: string;
  /** The name of the host's end. */
  readonly link: string;
  /** The name of the end in the namespace. */
  readonly name: string;
  /** The hardware address of the end in the namespace. */
  readonly mac: string;
  /** The addresses in the namespace, with prefix lengths. */
  readonly addresses: readonly string[];
  /** The bridge. */
  readonly bridge: string;
  /** The ports of the host that lead here. */
  readonly published: readonly PublishedPort[];
  /** What was added for it to the table of address translation. */
  readonly entries: NatEntries;
  /** Whether it may send from its own hardware address only. */
  readonly checksMac: boolean;
}

/** What {@linkcode Attachment.release} gives. */
export interface Released {
  /**
   * Settles when the flows through the closed ports have ended too. The
   * program does not end before; nobody else needs to wait.
   */
  readonly flowsEnded: Promise<void>;
}

/**
 * A namespace on a bridge. Disposing it takes the namespace off again, unless
 * {@linkcode Attachment.keep} was called; then `detach()` does, with the key.
 *
 * @example Usage
 * ```ts ignore
 * import { attach, NetNs } from "@containerkit/network";
 *
 * using netns = NetNs.create({ path: "/run/netns/blue" });
 * await using attachment = await attach({ path: "/run/netns/blue" }, {
 *   bridge: "ck0",
 *   address: "10.88.0.2/16",
 *   gateway: "10.88.0.1",
 * });
 * ```
 */
export class Attachment implements AsyncDisposable {
  /** What it is found by later. */
  readonly key: string;
  /** The name of the host's end. */
  readonly link: string;
  /** The name of the end in the namespace. */
  readonly name: string;
  /** The hardware address of the end in the namespace. */
  readonly mac: string;
  /** The addresses in the namespace, with prefix lengths. */
  readonly addresses: readonly string[];
  /** The bridge. */
  readonly bridge: string;
  /** The ports of the host that lead here. */
  readonly published: readonly PublishedPort[];
  /**
   * What was added for it to the table of address translation. A `NatTable`
   * that adopts it puts it back when somebody removes it.
   */
  readonly entries: NatEntries;
  readonly #checksMac: boolean;
  #held = true;
  #isOver = false;

  /**
   * Describes an attachment; `attach()` makes them.
   *
   * @param details What it is made of.
   */
  constructor(details: AttachmentDetails) {
    this.key = details.key;
    this.link = details.link;
    this.name = details.name;
    this.mac = details.mac;
    this.addresses = details.addresses;
    this.bridge = details.bridge;
    this.published = details.published;
    this.entries = details.entries;
    this.#checksMac = details.checksMac;
  }

  /** Leaves it in place: disposing then does nothing. */
  keep(): void {
    this.#held = false;
  }

  /**
   * Closes its ports and leaves the rest to the end of the namespace: the
   * kernel removes the link with it, later and by itself. For those who remove
   * the namespace anyway, this is quicker than disposing, by the 10 to 25 ms
   * that the kernel takes for a link. One that is guarded by `confine` or
   * `checkMac` is set down before it is let go, which takes about as long.
   * Nothing new gets in by the ports when this returns; the kernel's whole
   * table of flows is then searched for old ones, which takes some milliseconds
   * more and is not waited for.
   *
   * @param options How to wait.
   * @returns What is still to be waited for, if anyone wants to.
   */
  async release(options: RequestOptions = {}): Promise<Released> {
    this.#held = false;
    if (this.#isOver) return { flowsEnded: Promise.resolve() };
    if (this.#checksMac || this.entries.confine !== undefined) {
      await this.#letGo(options);
    }
    if (this.published.length === 0) {
      await this.#freeKey(options);
      return { flowsEnded: Promise.resolve() };
    }
    const nat = new NatTable();
    try {
      const which = { owner: this.key };
      const closed = await nat.unpublish(which, { ...options, flows: "keep" });
      await this.#freeKey(options);
      const flowsEnded = endFlowsSoon(nat, closed);
      // Who waits gets the error; for all others it is on the channel of traces.
      flowsEnded.catch(() => {});
      return { flowsEnded };
    } catch (error) {
      nat.close();
      throw error;
    }
  }

  /** The link may outlive what guards it, and so may those inside: it is set down. */
  async #letGo(options: RequestOptions): Promise<void> {
    using route = new RouteSocket();
    using nat = new NatTable();
    const link = await route.request(getLink(this.link), options);
    if (link !== undefined) {
      const { fallback: _, ...down } = setLink(link.index, { up: false });
      await route.request({ ...down, ...deleted(["ENODEV"]) }, options);
    }
    // Not by the key: without a link that is another's already.
    await removeMacChecks([this.link], options);
    await nat.unconfine((one) => one.link === this.link, options);
  }

  /**
   * The link may outlive this for a while: the next attachment with the key is
   * not to wait for that. Behind all that goes by the key, which is another's then.
   */
  async #freeKey(options: RequestOptions): Promise<void> {
    using route = new RouteSocket();
    const request = deleteAltName(this.link, keyTag(this.key));
    const isGone = (error: NetlinkError) => error.code === "ENODEV";
    await route.request({
      ...request,
      recover: (error) => !isGone(error) && request.recover!(error),
    }, options);
    this.#isOver = true;
  }

  /** Takes the namespace off the bridge, closes its ports, and removes a bridge that nobody uses any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    this.#isOver = true;
    await undoAttachment(this.key, { bridge: this.bridge });
  }
}

/**
 * Waits for the caller's next step, which mostly is to remove the namespace:
 * that waits until nobody is inside a search of the table of flows.
 */
async function endFlowsSoon(
  nat: NatTable,
  ports: readonly PublishedPort[],
): Promise<void> {
  using _nat = nat;
  await new Promise((resolve) => setImmediate(resolve));
  await nat.endFlows(ports);
}
