import type { NftFamily } from "./nft_types.ts";

const SUBSYSTEM = 10 << 8;
const MESSAGES = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  DELSET: 11,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
};
const FAMILIES: Readonly<Record<NftFamily, number>> = {
  inet: 1,
  ip: 2,
  netdev: 5,
  bridge: 7,
  ip6: 10,
};

/** Bytes of the header (`nfgenmsg`) before the attributes of every message. */
export const NFGEN = 4;

/** `NFT_SET_ELEM_*`: what an element is beside a key. */
export const ELEMENT = { INTERVAL_END: 1, CATCHALL: 2 };

/** The type of a message of nftables. */
export function nftType(name: keyof typeof MESSAGES): number {
  return SUBSYSTEM | MESSAGES[name];
}

/** The number of a family. */
export function nftFamily(family: NftFamily): number {
  return FAMILIES[family];
}
