/**
 * What `attach()` gives.
 *
 * @module
 */

import { detach } from "./detach.ts";
import { NatTable } from "./nat_table.ts";
import type { PublishedPort } from "./published_port.ts";
import type { RequestOptions } from "./route_socket.ts";

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
  #held = true;

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
  }

  /** Leaves it in place: disposing then does nothing. */
  keep(): void {
    this.#held = false;
  }

  /**
   * Closes its ports and leaves the rest to the end of the namespace: the
   * kernel removes the link with it, later and by itself. For those who remove
   * the namespace anyway, this is quicker than disposing, by the 10 to 25 ms
   * that the kernel takes for a link.
   *
   * @param options How to wait.
   */
  async release(options: RequestOptions = {}): Promise<void> {
    this.#held = false;
    if (this.published.length === 0) return;
    using nat = new NatTable();
    await nat.unpublish({ owner: this.key }, options);
  }

  /** Takes the namespace off the bridge, closes its ports, and removes a bridge that nobody uses any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    await detach(this.key);
  }
}
