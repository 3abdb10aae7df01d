/**
 * Talking to nftables.
 *
 * @module
 */

import { Channel, type Talk } from "./_channel.ts";
import { NLMSG_ERROR, parseAck } from "./_netlink_ack.ts";
import { noIndex, perform } from "./_perform.ts";
import { giveWriter, takeWriter } from "./_spare_writer.ts";
import { publishTrace } from "./_trace.ts";
import { NetNs } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";
import type { NftBatch } from "./nft_batch.ts";
import { parseMessages } from "./parse_messages.ts";
import type { RouteRequest } from "./route_request.ts";
import type { RequestOptions } from "./route_socket.ts";

/** Options of {@linkcode NftSocket}. */
export interface NftSocketOptions {
  /**
   * The namespace it talks about, for life.
   *
   * @default {the one the thread is in}
   */
  readonly netns?: NetNs | undefined;
}

/** Options of {@linkcode NftSocket.commit}. */
export interface CommitOptions extends RequestOptions {
  /**
   * The generation the changes are meant for: if anyone changed anything
   * since, nothing is done and the error's code is `ERESTART`.
   */
  readonly generation?: number | undefined;
}

const NETLINK_NETFILTER = 12;
const BATCH_BEGIN = 16;
const BATCH_END = 17;
const SUBSYSTEM = 10;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;

/**
 * A socket of nftables for one network namespace.
 *
 * @example Usage
 * ```ts ignore
 * import { NftBatch, NftSocket } from "@containerkit/network";
 *
 * using nft = new NftSocket();
 * const batch = new NftBatch("inet", "mine");
 * batch.createTable();
 * await nft.commit(batch);
 * ```
 */
export class NftSocket implements Disposable {
  readonly #channel: Channel;

  /**
   * Opens a socket.
   *
   * @param options The namespace it talks about.
   * @throws {SyscallError} If the kernel refuses.
   */
  constructor(options: NftSocketOptions = {}) {
    this.#channel = new Channel(NETLINK_NETFILTER, { netns: options.netns });
  }

  /**
   * Opens the namespace it talks about.
   *
   * @returns The namespace.
   * @throws {SyscallError} If the kernel refuses: `EPERM` without root.
   */
  openNetns(): NetNs {
    return NetNs.fromSocket(this.#channel.descriptor);
  }

  /**
   * Makes all the changes of a batch, or none.
   *
   * @param batch The changes.
   * @param options What they rest on.
   * @throws {NetlinkError} If one of them is refused, with which one and the kernel's words. Further refusals are its `cause`.
   */
  commit(batch: NftBatch, options: CommitOptions = {}): Promise<void> {
    return this.#channel.run(
      () => this.#commit(batch, options),
      options.signal,
    );
  }

  /**
   * The same at once, on this thread.
   *
   * @param batch The changes.
   * @param options What they rest on.
   * @throws {NetlinkError} If one of them is refused.
   */
  commitSync(batch: NftBatch, options: CommitOptions = {}): void {
    this.#channel.runSync(this.#commit(batch, options));
  }

  /**
   * Sends a request that looks at something, such as `listNftRules()` makes.
   *
   * @typeParam T What the answer is read as.
   * @param request The request.
   * @param options How to wait.
   * @returns The answer.
   * @throws {NetlinkError} If the kernel refuses.
   */
  request<T>(
    request: RouteRequest<T>,
    options: RequestOptions = {},
  ): Promise<T> {
    return this.#channel.run(
      () => perform(this.#channel, request, noIndex),
      options.signal,
    );
  }

  /**
   * The same at once, on this thread.
   *
   * @typeParam T What the answer is read as.
   * @param request The request.
   * @returns The answer.
   * @throws {NetlinkError} If the kernel refuses.
   */
  requestSync<T>(request: RouteRequest<T>): T {
    return this.#channel.runSync(perform(this.#channel, request, noIndex));
  }

  /** Closes it, after the requests that are under way. */
  close(): void {
    this.#channel.close();
  }

  /** Closes it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  *#commit(batch: NftBatch, options: CommitOptions): Talk<void> {
    if (batch.isEmpty) return;
    const start = performance.now();
    const operation = `change table ${batch.family} "${batch.table}"`;
    const operations = new Map<number, string>();
    const writer = takeWriter();
    const next = (type: number, flags: number, name: string) => {
      const sequence = this.#channel.nextSequence();
      operations.set(sequence, name);
      writer.begin({ type, flags: flags | NLM_F_REQUEST, sequence });
      return sequence;
    };
    const first = next(BATCH_BEGIN, 0, operation);
    writer.u8(0).u8(0).be16(SUBSYSTEM);
    if (options.generation !== undefined) {
      writer.attributeBe32(1, options.generation);
    }
    writer.end();
    let last = first;
    for (const [index, wire] of batch.wires.entries()) {
      // One acknowledgement for all: refusals come back without being asked
      // for, and one for each of many would overflow the socket.
      const ack = index === batch.wires.length - 1 ? NLM_F_ACK : 0;
      last = next(wire.type, wire.flags | ack, wire.operation);
      wire.body(writer);
      writer.end();
    }
    next(BATCH_END, 0, operation);
    writer.u8(0).u8(0).be16(SUBSYSTEM);
    writer.end();
    // Chains and tables end when nobody is in them any more: the kernel waits for that.
    const way = batch.wires.some((wire) => wire.way === "elsewhere")
      ? "elsewhere"
      : "either";
    yield { send: writer.bytes, way, operation };
    giveWriter(writer);
    const errors: NetlinkError[] = [];
    let lost = false;
    for (let done = false; !done;) {
      let bytes;
      try {
        bytes = yield { way: "here", operation };
      } catch (error) {
        // So many refusals that the socket did not hold all: the first ones are in it.
        const code = error instanceof NetlinkError ? error.code : undefined;
        if (code === "EAGAIN" && lost && errors.length > 0) break;
        if (code !== "ENOBUFS" || lost) throw error;
        lost = true;
        continue;
      }
      for (const message of parseMessages(bytes)) {
        const { sequence, type } = message;
        const name = operations.get(sequence);
        if (type !== NLMSG_ERROR || name === undefined) continue;
        const { error } = parseAck(message, name);
        if (error !== undefined) errors.push(error);
        // An error of the beginning is the only answer there is.
        done ||= sequence === last || sequence === first;
      }
    }
    const [error, ...more] = errors;
    publishTrace(() => ({
      operation,
      details: { changes: batch.wires.map((wire) => wire.operation) },
      ms: performance.now() - start,
      ...(error && { error }),
    }));
    if (error === undefined) return;
    if (more.length > 0) error.cause = new AggregateError(more);
    throw error;
  }
}
