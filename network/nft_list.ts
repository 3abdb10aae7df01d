/**
 * Looking at nftables.
 *
 * @module
 */

import { be32, readFields, readText, view } from "./_fields.ts";
import { DATA, readVerdictData } from "./_nft_codec.ts";
import { readComment } from "./_nft_comment.ts";
import { ELEMENT, NFGEN, nftFamily, nftType } from "./_nft_message.ts";
import { readRuleName } from "./_nft_rule_name.ts";
import { readExpression } from "./_nft_read.ts";
import type { MessageWriter } from "./message_writer.ts";
import type { NftElement, NftFamily } from "./nft_types.ts";
import type { NftExpression } from "./nft_expression.ts";
import { listAttributes, parseAttributes } from "./parse_attributes.ts";
import type { RouteRequest } from "./route_request.ts";

/** A table, and what in it to look at. */
export interface NftTableRef {
  /** The family of the table. */
  readonly family: NftFamily;
  /** Its name. */
  readonly table: string;
}

/** A rule as the kernel reports it. */
export interface NftRule {
  /** The chain it is in. */
  readonly chain: string;
  /** Identifies it in its table. */
  readonly handle: bigint;
  /** What it does. */
  readonly expressions: readonly NftExpression[];
  /** The text that `nft` shows. */
  readonly comment: string | undefined;
}

const ENOENT = "ENOENT";

function writeTable(writer: MessageWriter, family: NftFamily): MessageWriter {
  return writer.u8(nftFamily(family)).u8(0).be16(0);
}

/**
 * Asks for the generation of the whole ruleset: it grows with every change by anyone.
 *
 * @returns A request that gives the number.
 *
 * @example Usage
 * ```ts ignore
 * import { getNftGeneration, NftSocket } from "@containerkit/network";
 *
 * using nft = new NftSocket();
 * const generation = await nft.request(getNftGeneration());
 * ```
 */
export function getNftGeneration(): RouteRequest<number> {
  return {
    operation: "read the generation of nftables",
    type: nftType("GETGEN"),
    flags: 0,
    duration: "none",
    body: (writer) => void writer.u8(0).u8(0).be16(0),
    decode(messages) {
      const data = parseAttributes(messages[0]!.payload, NFGEN).get(1);
      return view(data ?? new Uint8Array(), 4).getUint32(0);
    },
  };
}

/**
 * Lists the names of the tables of a family.
 *
 * @param family The family.
 * @returns A request that gives the names.
 *
 * @see https://www.netfilter.org/projects/nftables/manpage.html
 *
 * @example Usage
 * ```ts ignore
 * import { listNftTables, NftSocket } from "@containerkit/network";
 *
 * using nft = new NftSocket();
 * console.log(await nft.request(listNftTables("inet")));
 * ```
 */
export function listNftTables(family: NftFamily): RouteRequest<string[]> {
  return {
    operation: `list the tables of ${family}`,
    type: nftType("GETTABLE"),
    flags: 0,
    dump: true,
    duration: "none",
    body: (writer) => void writeTable(writer, family),
    decode: (messages) => names(messages, 1),
  };
}

function names(
  messages: readonly { payload: Uint8Array<ArrayBuffer> }[],
  type: number,
): string[] {
  return messages.map(({ payload }) =>
    readText(parseAttributes(payload, NFGEN).get(type) ?? new Uint8Array())
  );
}

/**
 * Lists the names of the chains of a table.
 *
 * @param ref The table; one that is missing has none.
 * @returns A request that gives the names.
 *
 * @see https://www.netfilter.org/projects/nftables/manpage.html
 *
 * @example Usage
 * ```ts ignore
 * import { listNftChains, NftSocket } from "@containerkit/network";
 *
 * using nft = new NftSocket();
 * console.log(await nft.request(listNftChains({ family: "inet", table: "mine" })));
 * ```
 */
export function listNftChains(ref: NftTableRef): RouteRequest<string[]> {
  return {
    operation: `list the chains of table ${ref.family} "${ref.table}"`,
    type: nftType("GETCHAIN"),
    flags: 0,
    dump: true,
    duration: "none",
    body: (writer) => void writeTable(writer, ref.family),
    // The kernel does not choose by table here.
    decode: (messages) =>
      names(
        messages.filter((message) => names([message], 1)[0] === ref.table),
        3,
      ),
  };
}

/**
 * Lists the rules of a table, chain by chain in their order.
 *
 * @param ref The table, and which chain; one that is missing has none.
 * @returns A request that gives the rules.
 *
 * @see https://www.netfilter.org/projects/nftables/manpage.html
 *
 * @example Usage
 * ```ts ignore
 * import { listNftRules, NftSocket } from "@containerkit/network";
 *
 * using nft = new NftSocket();
 * console.log(await nft.request(listNftRules({ family: "inet", table: "mine" })));
 * ```
 */
export function listNftRules(
  ref: NftTableRef & { readonly chain?: string | undefined },
): RouteRequest<NftRule[]> {
  return {
    operation: `list the rules of table ${ref.family} "${ref.table}"`,
    type: nftType("GETRULE"),
    flags: 0,
    dump: true,
    duration: "none",
    body(writer) {
      writeTable(writer, ref.family).string(1, ref.table);
      if (ref.chain !== undefined) writer.string(2, ref.chain);
    },
    decode: (messages) => messages.map(({ payload }) => parseNftRule(payload)),
    recover(error) {
      if (error.code === ENOENT) return [];
      throw error;
    },
  };
}

/**
 * Reads a rule from the payload of a message of nftables.
 *
 * @param payload What follows the netlink header.
 * @returns The rule.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseNftRule } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.u8(1).u8(0).be16(0).string(1, "mine").string(2, "input");
 * writer.attributeBe64(3, 7n);
 * assertEquals(parseNftRule(writer.bytes).handle, 7n);
 * ```
 */
export function parseNftRule(payload: Uint8Array<ArrayBuffer>): NftRule {
  const attributes = parseAttributes(payload, NFGEN);
  const list = attributes.get(4);
  return {
    ...readRuleName(attributes),
    expressions: list === undefined
      ? []
      : listAttributes(list).map(({ data }) => readExpression(data)),
  };
}

/**
 * Lists the elements of a set or map.
 *
 * @param ref The table and the set; one that is missing has none.
 * @returns A request that gives the elements.
 *
 * @see https://www.netfilter.org/projects/nftables/manpage.html
 *
 * @example Usage
 * ```ts ignore
 * import { listNftElements, NftSocket } from "@containerkit/network";
 *
 * using nft = new NftSocket();
 * const ref = { family: "inet", table: "mine", set: "blocked" } as const;
 * console.log(await nft.request(listNftElements(ref)));
 * ```
 */
export function listNftElements(
  ref: NftTableRef & { readonly set: string },
): RouteRequest<NftElement[]> {
  return {
    operation:
      `list the elements of set "${ref.set}" of table ${ref.family} "${ref.table}"`,
    type: nftType("GETSETELEM"),
    flags: 0,
    dump: true,
    duration: "none",
    body(writer) {
      writeTable(writer, ref.family).string(1, ref.table).string(2, ref.set);
    },
    decode: (messages) =>
      messages.flatMap(({ payload }) => parseNftElements(payload)),
    recover(error) {
      if (error.code === ENOENT) return [];
      throw error;
    },
  };
}

/**
 * Reads the elements in the payload of a message of nftables.
 *
 * @param payload What follows the netlink header.
 * @returns The elements.
 * @throws {SyntaxError} If an element has no key.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseNftElements } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter().u8(1).u8(0).be16(0);
 * assertEquals(parseNftElements(writer.bytes), []);
 * ```
 */
export function parseNftElements(
  payload: Uint8Array<ArrayBuffer>,
): NftElement[] {
  const list = parseAttributes(payload, NFGEN).get(3);
  if (list === undefined) return [];
  return listAttributes(list).map(({ data }) => {
    const attributes = parseAttributes(data);
    const valueOf = (type: number, kind = DATA.VALUE) => {
      const nest = attributes.get(type);
      return nest && parseAttributes(nest).get(kind);
    };
    const { flags = 0 } = readFields({ flags: be32(3) }, attributes);
    const isForAll = (flags & ELEMENT.CATCHALL) !== 0;
    const key = isForAll ? new Uint8Array() : valueOf(1);
    const keyEnd = valueOf(10);
    const verdict = valueOf(2, DATA.VERDICT);
    if (key === undefined) {
      throw new SyntaxError("Cannot parse an nftables element: it has no key");
    }
    return {
      key,
      ...(keyEnd && { keyEnd }),
      data: valueOf(2),
      ...(verdict && { verdict: readVerdictData(verdict) }),
      comment: readComment(attributes.get(6)),
      ...((flags & ELEMENT.INTERVAL_END) !== 0 && { intervalEnd: true }),
    };
  });
}
