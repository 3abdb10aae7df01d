/**
 * Requests of rtnetlink as values.
 *
 * @module
 */

import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";
import type { NetlinkError } from "./netlink_error.ts";
import type { NetlinkMessage } from "./parse_messages.ts";

/**
 * One request to the kernel's routing family, see rtnetlink(7): what to send,
 * and how to read the answer. Functions such as `createLink()` make them;
 * `RouteSocket` sends them, alone or many at once.
 *
 * @typeParam T What the answer is read as.
 */
export interface RouteRequest<T> {
  /** What it does, as an error says it: `create veth link "a"`. */
  readonly operation: string;
  /** The message, such as 16 for `RTM_NEWLINK`. */
  readonly type: number;
  /** `NLM_F_*` beyond those every request has. */
  readonly flags: number;
  /** Whether it asks for a list. */
  readonly dump?: boolean;
  /**
   * How long the kernel may take, which decides where it is waited for.
   *
   * @default {"long" for a list, else "lock"}
   */
  readonly duration?: Duration;
  /** Links that are named and whose index is needed first. */
  readonly links?: readonly LinkRef[];
  /** Writes what follows the header. */
  body(writer: MessageWriter, indexOf: (link: LinkRef) => number): void;
  /** Reads the answer. */
  decode(messages: readonly NetlinkMessage[]): T;
  /** Takes an error as an answer, or throws it again. */
  recover?(error: NetlinkError): T;
  /** What to ask, one after the other, where the kernel grants the request and answers nothing. */
  readonly fallback?: () => Generator<RouteRequest<unknown>, T, unknown>;
}

/**
 * How long the kernel takes to answer: no time; as long as others hold its
 * lock, mostly none; or longer, as it waits for what is under way elsewhere.
 */
export type Duration = "none" | "lock" | "long";

/** What to do if the thing is there already. */
export type IfExists = "error" | "ignore" | "replace";
