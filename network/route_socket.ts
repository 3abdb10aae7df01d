/**
 * Talking to the kernel's routing family.
 *
 * @module
 */

import { Channel, type Talk } from "./_channel.ts";
import { exchange, type Reply } from "./_exchange.ts";
import { socketCookie } from "./_net_ns_cookie.ts";
import {
  followUp,
  type IndexOf,
  noIndex,
  perform,
  readReply,
  toWire,
} from "./_perform.ts";
import { getLink } from "./get_link.ts";
import type { NetNs } from "./net_ns.ts";
import { NetlinkError } from "./netlink_error.ts";
import { type BatchResult, RouteBatchError } from "./route_batch_error.ts";
import type { RouteRequest } from "./route_request.ts";

/** Options of {@linkcode RouteSocket}. */
export interface RouteSocketOptions {
  /**
   * The namespace it talks about, for life.
   *
   * @default {the one the thread is in}
   */
  readonly netns?: NetNs | undefined;
}

/** Options of {@linkcode RouteSocket.request}. */
export interface RequestOptions {
  /** Stops waiting for earlier requests; one that was sent is carried out. */
  readonly signal?: AbortSignal | undefined;
}

/** The answers of requests, in their order. */
export type Answers<R extends readonly RouteRequest<unknown>[]> = {
  -readonly [K in keyof R]: R[K] extends RouteRequest<infer T> ? T : never;
};

const NETLINK_ROUTE = 0;
const ENODEV = 19;

/**
 * A socket of rtnetlink(7): links, addresses, routes, neighbours and rules of
 * one network namespace, from wherever the program is.
 *
 * A request is sent on this thread while the kernel answers within the call,
 * and waited for on another thread when its locks are held, as while many
 * namespaces end. The `Sync` twins always wait here: they are for use inside
 * {@linkcode NetNs.run} and for programs that do nothing else.
 *
 * @example Usage
 * ```ts
 * import { listLinks, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const links = await route.request(listLinks());
 * assert(links.length > 0);
 * ```
 */
export class RouteSocket implements Disposable {
  readonly #channel: Channel;

  /**
   * Opens a socket.
   *
   * @param options The namespace it talks about.
   * @throws {SyscallError} If the kernel refuses.
   */
  constructor(options: RouteSocketOptions = {}) {
    this.#channel = new Channel(NETLINK_ROUTE, { netns: options.netns });
  }

  /** The cookie of the namespace it talks about, see `NetNs.cookie`. */
  get netnsCookie(): bigint {
    return socketCookie(this.#channel.descriptor);
  }

  /**
   * Sends a request and gives the answer.
   *
   * @typeParam T What the answer is read as.
   * @param request Such as `createLink(...)` makes.
   * @param options How to wait.
   * @returns The answer.
   * @throws {NetlinkError} If the kernel refuses, with what was asked and the kernel's own words.
   * @throws {DumpInterruptedError} If a list changed each time while it was read.
   */
  request<T>(
    request: RouteRequest<T>,
    options: RequestOptions = {},
  ): Promise<T> {
    return this.#channel.run(() => this.#single(request), options.signal);
  }

  /**
   * The same at once, on this thread.
   *
   * @typeParam T What the answer is read as.
   * @param request Such as `createLink(...)` makes.
   * @returns The answer.
   * @throws {NetlinkError} If the kernel refuses.
   * @throws {Deno.errors.Busy} If an asynchronous request is under way on this socket.
   */
  requestSync<T>(request: RouteRequest<T>): T {
    return this.#channel.runSync(this.#single(request));
  }

  /**
   * Sends many requests at once. The kernel carries them out in order, each on
   * its own: one that is refused does not stop the next. A link that one of
   * them makes cannot be named by a later one, as names are looked up before.
   *
   * @typeParam R The requests.
   * @param requests The requests; no lists.
   * @param options How to wait.
   * @returns Their answers, in their order.
   * @throws {RouteBatchError} If some were refused, with how each one ended.
   */
  batch<const R extends readonly RouteRequest<unknown>[]>(
    requests: R,
    options: RequestOptions = {},
  ): Promise<Answers<R>> {
    return this.#channel.run(() => this.#many(requests), options.signal);
  }

  /**
   * The same at once, on this thread.
   *
   * @typeParam R The requests.
   * @param requests The requests; no lists.
   * @returns Their answers, in their order.
   * @throws {RouteBatchError} If some were refused.
   */
  batchSync<const R extends readonly RouteRequest<unknown>[]>(
    requests: R,
  ): Answers<R> {
    return this.#channel.runSync(this.#many(requests));
  }

  /** Closes it, after the requests that are under way. */
  close(): void {
    this.#channel.close();
  }

  /** Closes it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  *#single<T>(request: RouteRequest<T>): Talk<T> {
    const indexOf = yield* this.#resolve([request]);
    return yield* perform(this.#channel, request, indexOf);
  }

  *#many<R extends readonly RouteRequest<unknown>[]>(
    requests: R,
  ): Talk<Answers<R>> {
    const list = requests.find(({ dump }) => dump);
    if (list !== undefined) {
      throw new TypeError(`Cannot ${list.operation} in a batch`);
    }
    if (requests.length === 0) return [] as unknown as Answers<R>;
    const indexOf = yield* this.#resolve(requests);
    const wires = requests.map((request) => toWire(request, indexOf));
    const replies = yield* exchange(this.#channel, wires);
    const results: BatchResult[] = [];
    for (const [index, request] of requests.entries()) {
      try {
        results.push({ value: yield* this.#answer(request, replies[index]!) });
      } catch (error) {
        results.push({ error });
      }
    }
    if (results.some((result) => "error" in result)) {
      throw new RouteBatchError(results);
    }
    return results.map((result) =>
      "value" in result ? result.value : undefined
    ) as Answers<R>;
  }

  /** Reads one answer of many; where an old kernel gave none, asks again. */
  *#answer(request: RouteRequest<unknown>, reply: Reply): Talk<unknown> {
    const silent = reply.error === undefined && reply.messages.length === 0;
    return silent && request.fallback !== undefined
      ? yield* followUp(this.#channel, request.fallback())
      : readReply(request, reply);
  }

  /** Looks up the names in the requests, in one go. */
  *#resolve(requests: readonly RouteRequest<unknown>[]): Talk<IndexOf> {
    const names = new Set(
      requests.flatMap(({ links = [] }) => links)
        .filter((link) => typeof link === "string"),
    );
    const indexes = new Map<string, number>();
    if (names.size > 0) {
      const lookups = Array.from(names, getLink);
      const replies = yield* exchange(
        this.#channel,
        lookups.map((lookup) => toWire(lookup, noIndex)),
      );
      for (const [at, name] of [...names].entries()) {
        const link = readReply(lookups[at]!, replies[at]!);
        if (link === undefined) {
          const { operation } = requests.find(({ links }) =>
            links?.includes(name)
          )!;
          throw new NetlinkError(operation, {
            errno: ENODEV,
            kernelMessage: `there is no link "${name}"`,
          });
        }
        indexes.set(name, link.index);
      }
    }
    return (link) => typeof link === "number" ? link : indexes.get(link)!;
  }
}
