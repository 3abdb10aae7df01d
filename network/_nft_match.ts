/** What rules of nftables are made of here. */
import type { NftExpression } from "./nft_expression.ts";
import { networkOf, parsePrefix, prefixMask } from "./prefix.ts";

const NFPROTO = { ip: 2, ip6: 10 };
const IPS_DST_NAT = 0x20;
/** The first 4-byte register, and the 16-byte one of the same room. */
export const REG32 = 8;
export const REG = 1;

export const DROP: NftExpression = { type: "verdict", verdict: "drop" };

/** A number as this machine has it in memory. */
export function host32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** The register holds this, or anything else. */
export function equal(
  data: Uint8Array<ArrayBuffer>,
  op: "eq" | "neq" = "eq",
): NftExpression {
  return { type: "cmp", register: REG, op, data };
}

/** The packet is of a family. */
export function family(name: "ip" | "ip6"): NftExpression[] {
  return [
    { type: "meta", key: "nfproto", register: REG },
    equal(Uint8Array.of(NFPROTO[name])),
  ];
}

/** The name of a link as the kernel compares it. */
export function linkName(name: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(name));
  return bytes;
}

/** The packet came by a link, or goes out by it. */
export function link(
  key: "iifname" | "oifname",
  name: string,
  op: "eq" | "neq" = "eq",
): NftExpression[] {
  return [
    { type: "meta", key, register: REG },
    equal(linkName(name), op),
  ];
}

/** The packet's source or destination is in a network. */
export function within(
  field: "source" | "destination",
  subnet: string,
): NftExpression[] {
  const prefix = networkOf(parsePrefix(subnet));
  const length = prefix.address.length;
  const offset = length === 4
    ? { source: 12, destination: 16 }
    : { source: 8, destination: 24 };
  return [
    ...family(length === 4 ? "ip" : "ip6"),
    {
      type: "payload",
      base: "network",
      offset: offset[field],
      length,
      register: REG,
    },
    {
      type: "bitwise",
      register: REG,
      mask: prefixMask(prefix),
      xor: new Uint8Array(length),
    },
    equal(prefix.address),
  ];
}

/** The flow was led somewhere by a published port, or was not. */
export function published(op: "eq" | "neq"): NftExpression[] {
  return [
    { type: "ct", key: "status", register: REG },
    {
      type: "bitwise",
      register: REG,
      mask: host32(IPS_DST_NAT),
      xor: host32(0),
    },
    equal(host32(0), op),
  ];
}
