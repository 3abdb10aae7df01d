import type { Scope } from "./address.ts";

const AF_INET = 2;
const AF_INET6 = 10;

/** Words of `rt_scope_t`. */
export const SCOPES: Readonly<Record<Scope, number>> = {
  universe: 0,
  site: 200,
  link: 253,
  host: 254,
  nowhere: 255,
};

/** The number of a family by the size of its addresses. */
export function familyOf(address: Uint8Array): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

/** The number of a family by its name; 0 is any. */
export function familyNumber(family: "ipv4" | "ipv6" | undefined): number {
  return family === undefined ? 0 : family === "ipv4" ? AF_INET : AF_INET6;
}

/** The name of a family by its number. */
export function familyName(number: number): "ipv4" | "ipv6" {
  return number === AF_INET6 ? "ipv6" : "ipv4";
}

/** Whether a message is of IPv4 or IPv6: what routes multicast has families of its own. */
export function isInet(
  { payload }: { readonly payload: Uint8Array },
): boolean {
  return payload[0] === AF_INET || payload[0] === AF_INET6;
}
