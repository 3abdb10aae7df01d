/** Types of ICMPv6. */
import { equal, REG } from "./_nft_match.ts";
import type { NftExpression } from "./nft_expression.ts";

const IPPROTO_ICMPV6 = 58;
export const SOLICITATION = 135;
export const ADVERTISEMENT = 136;
/** Who listens to which groups: bridges look into it. */
export const LISTENERS: readonly number[] = [131, 132, 143];

/** The packet is of ICMPv6 and of this type. */
export function icmpv6Type(type: number): NftExpression[] {
  return [
    { type: "meta", key: "l4proto", register: REG },
    equal(Uint8Array.of(IPPROTO_ICMPV6)),
    { type: "payload", base: "transport", offset: 0, length: 1, register: REG },
    equal(Uint8Array.of(type)),
  ];
}
