/**
 * Watching nftables.
 *
 * @module
 */

import { Channel } from "./_channel.ts";
import { be32, readFields, text } from "./_fields.ts";
import { Monitor } from "./_monitor.ts";
import { NFGEN, nftType } from "./_nft_message.ts";
import type { NetNs } from "./net_ns.ts";
import { parseAttributes } from "./parse_attributes.ts";
import { parseMessages } from "./parse_messages.ts";

/** What happened to the rules of a namespace. */
export type NftEvent =
  | {
    /** Somebody changed something. */
    readonly type: "commit";
    /** The generation that it made. */
    readonly generation: number;
    /** The process that did it. */
    readonly pid: number | undefined;
    /** The name of its program, as the kernel knows it: up to 15 bytes. */
    readonly program: string | undefined;
  }
  | {
    /** Changes were lost: what is known must be listed anew. */
    readonly type: "overrun";
  };

/** Options of {@linkcode NftMonitor}. */
export interface NftMonitorOptions {
  /**
   * The namespace to watch.
   *
   * @default {the one the thread is in}
   */
  readonly netns?: NetNs | undefined;
  /**
   * How many bytes of changes may wait to be read.
   *
   * @default {4194304}
   */
  readonly bufferSize?: number | undefined;
  /** Ends the watching, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

const NETLINK_NETFILTER = 12;
const NFNLGRP_NFTABLES = 7;
const GENERATION = { generation: be32(1), pid: be32(2), program: text(3) };

/**
 * Watches who changes the nftables of a network namespace, from the moment it
 * is made: list after that, and nothing is missed.
 *
 * @example Usage
 * ```ts ignore
 * import { NftMonitor } from "@containerkit/network";
 *
 * using monitor = new NftMonitor();
 * for await (const event of monitor) {
 *   if (event.type === "commit") console.log(event.program, event.generation);
 * }
 * ```
 */
export class NftMonitor implements AsyncIterable<NftEvent>, Disposable {
  readonly #monitor: Monitor;

  /**
   * Starts to watch.
   *
   * @param options Where.
   * @throws {SyscallError} If the kernel refuses.
   */
  constructor(options: NftMonitorOptions = {}) {
    const { netns, bufferSize = 4 << 20, signal } = options;
    signal?.throwIfAborted();
    const channel = new Channel(NETLINK_NETFILTER, {
      netns,
      groups: [NFNLGRP_NFTABLES],
    });
    channel.setReceiveBuffer(bufferSize);
    this.#monitor = new Monitor(channel, signal);
  }

  /** Gives the changes as they come, until the end of the watching. */
  async *[Symbol.asyncIterator](): AsyncGenerator<NftEvent> {
    for await (const bytes of this.#monitor.datagrams()) {
      if (bytes === undefined) yield { type: "overrun" };
      else yield* parseNftEvents(bytes);
    }
  }

  /** Ends the watching. */
  close(): void {
    this.#monitor.close();
  }

  /** Ends the watching at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Reads the commits among messages of nftables: each ends with one.
 *
 * @param bytes Messages, as received.
 * @returns The events.
 * @throws {SyntaxError} If they are no messages.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseNftEvents } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.begin({ type: 0xa0f, flags: 0, sequence: 0 });
 * writer.u8(0).u8(0).be16(0).attributeBe32(1, 7).string(3, "nft");
 * writer.end();
 * assertEquals(parseNftEvents(writer.bytes), [
 *   { type: "commit", generation: 7, pid: undefined, program: "nft" },
 * ]);
 * ```
 */
export function parseNftEvents(bytes: Uint8Array<ArrayBuffer>): NftEvent[] {
  return parseMessages(bytes)
    .filter(({ type }) => type === nftType("NEWGEN"))
    .map(({ payload }) => {
      const attributes = parseAttributes(payload, NFGEN);
      const { generation, pid, program } = readFields<{
        generation: number;
        pid: number;
        program: string;
      }>(GENERATION, attributes);
      if (generation === undefined) {
        throw new SyntaxError(
          "Cannot parse an nftables event: the generation is missing",
        );
      }
      return { type: "commit", generation, pid, program };
    });
}
