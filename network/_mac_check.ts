import { readText } from "./_fields.ts";
import { changeNft } from "./_nft_change.ts";
import { linkName } from "./_nft_match.ts";
import { parseMac } from "./mac.ts";
import type { NftBatch } from "./nft_batch.ts";
import type { NftElement } from "./nft_types.ts";
import type { NftExpression } from "./nft_expression.ts";
import { listNftElements } from "./nft_list.ts";
import { NftSocket } from "./nft_socket.ts";
import type { RequestOptions } from "./route_socket.ts";

/** A link that may send from one hardware address only. */
interface MacCheck {
  /** The host's end. */
  readonly link: string;
  /** The address of the end in the namespace. */
  readonly mac: string;
  /** Whose it is. */
  readonly key: string;
}

const TABLE = { family: "bridge", table: "containerkit" } as const;
const CHAIN = "macs";
/** The links that are looked at, and with which addresses they may send. */
const CHECKED = "checked";
const ALLOWED = "allowed";
const TYPE = { ifname: 41, ether: 9 };
const BITS = 6;
/** Before the bridge learns where an address is from what it forwards. */
const PRIORITY = -300;
const REG = 1;
const REG32 = 8;
const NAME_WORDS = 4;

const RULE: readonly NftExpression[] = [
  { type: "meta", key: "iifname", register: REG },
  { type: "lookup", set: CHECKED, register: REG },
  { type: "meta", key: "iifname", register: REG32 },
  {
    type: "payload",
    base: "link",
    offset: 6,
    length: 6,
    register: REG32 + NAME_WORDS,
  },
  { type: "lookup", set: ALLOWED, register: REG32, inverted: true },
  { type: "verdict", verdict: "drop" },
];

function allowedKey({ link, mac }: MacCheck): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(24);
  key.set(linkName(link));
  key.set(parseMac(mac), 16);
  return key;
}

function list(
  nft: NftSocket,
  set: string,
  options: RequestOptions,
): Promise<NftElement[]> {
  return nft.request(listNftElements({ ...TABLE, set }), options);
}

function createTable(batch: NftBatch): void {
  batch.createTable();
  batch.createSet(CHECKED, { keyType: TYPE.ifname, keyLength: 16 });
  batch.createSet(ALLOWED, {
    keyType: TYPE.ifname << BITS | TYPE.ether,
    keyLength: 24,
  });
  batch.createChain(CHAIN, {
    type: "filter",
    hook: "prerouting",
    priority: PRIORITY,
  });
  batch.appendRule(CHAIN, RULE, { comment: "hardware addresses" });
}

/** Drops what comes by a link from another hardware address than its own. */
export async function addMacCheck(
  check: MacCheck,
  options: RequestOptions = {},
): Promise<void> {
  using nft = new NftSocket();
  const plan = async (batch: NftBatch) => {
    if ((await list(nft, CHECKED, options)).length === 0) createTable(batch);
    const comment = check.key;
    batch.addElements(CHECKED, [{ key: linkName(check.link), comment }]);
    batch.addElements(ALLOWED, [{ key: allowedKey(check), comment }]);
  };
  await changeNft(nft, TABLE, { ...options, plan });
}

/** The link that an element is of. */
function linkOf({ key }: NftElement): string {
  return readText(key.subarray(0, NAME_WORDS * 4));
}

/** The links that are looked at, and whose they are. */
export async function listMacChecks(
  options: RequestOptions = {},
): Promise<Pick<MacCheck, "link" | "key">[]> {
  using nft = new NftSocket();
  const elements = await list(nft, CHECKED, options);
  return elements.map((element) => ({
    link: linkOf(element),
    key: element.comment ?? "",
  }));
}

/** Removes what was added for links, and the table with the last of it. */
export async function removeMacChecks(
  links: readonly string[],
  options: RequestOptions = {},
): Promise<void> {
  if (links.length === 0) return;
  using nft = new NftSocket();
  const isGone = (element: NftElement) => links.includes(linkOf(element));
  const plan = async (batch: NftBatch) => {
    const checked = await list(nft, CHECKED, options);
    if (!checked.some(isGone)) return;
    if (checked.every(isGone)) return batch.deleteTable();
    for (const set of [CHECKED, ALLOWED]) {
      const gone = (await list(nft, set, options)).filter(isGone);
      batch.deleteElements(set, gone.map(({ key }) => ({ key })));
    }
  };
  await changeNft(nft, TABLE, { ...options, plan });
}
