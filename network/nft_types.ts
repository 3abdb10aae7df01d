/**
 * What nftables are made of.
 *
 * @module
 */

import type { NftVerdict } from "./nft_expression.ts";

/** Which packets a table sees; `inet` is both `ip` and `ip6`. */
export type NftFamily = "inet" | "ip" | "ip6" | "bridge" | "netdev";

/** Where the kernel calls a chain. */
export type NftHook =
  | "prerouting"
  | "input"
  | "forward"
  | "output"
  | "postrouting";

/** What makes a chain one that the kernel calls. */
export interface NftBaseChain {
  /** What its rules may do. */
  readonly type: "filter" | "nat" | "route";
  /** Where it is called. */
  readonly hook: NftHook;
  /** When, among others there; lower is earlier. -100 is before routing for NAT, 100 after. */
  readonly priority: number;
  /**
   * What happens to a packet that no rule decides about.
   *
   * @default {"accept"}
   */
  readonly policy?: "accept" | "drop" | undefined;
}

/** What a set holds. */
export interface NftSetSpec {
  /** The number of the type of its keys, as `nft` shows them: 7 for an IPv4 address, 41 for a link name. */
  readonly keyType: number;
  /** The size of its keys in bytes, each field of a concatenation padded to four. */
  readonly keyLength: number;
  /** Makes it a map: the number of the type of what keys are mapped to. */
  readonly dataType?: number | undefined;
  /** The size of what keys are mapped to, in bytes. */
  readonly dataLength?: number | undefined;
  /** Makes it a map of verdicts, for a lookup into register 0; instead of `dataType`. */
  readonly verdicts?: boolean | undefined;
  /** Of a concatenation of intervals, the sizes of its fields. */
  readonly fields?: readonly number[] | undefined;
  /** Whether elements are ranges. */
  readonly interval?: boolean | undefined;
}

/** An element of a set or map. */
export interface NftElement {
  /** The key, as it stands in a packet; empty for what is for all other keys. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** Of a range in a concatenation, the last key of it: the last of each field. */
  readonly keyEnd?: Uint8Array<ArrayBuffer> | undefined;
  /** What it is mapped to. */
  readonly data?: Uint8Array<ArrayBuffer> | undefined;
  /** What it is mapped to in a map of verdicts. */
  readonly verdict?: Omit<NftVerdict, "type"> | undefined;
  /** A text of up to 127 bytes that `nft` shows. */
  readonly comment?: string | undefined;
  /** Whether it is the end of a range: the first key that is not in it. */
  readonly intervalEnd?: boolean | undefined;
}
