/**
 * Rules that choose a routing table.
 *
 * @module
 */

import {
  type Fields,
  numberWord,
  readFields,
  readIp,
  text,
  u32,
  u8,
  view,
  wordNumber,
  writeFields,
} from "./_fields.ts";
import { familyName, familyNumber, familyOf, isInet } from "./_inet.ts";
import { creation, deleted } from "./_route_request.ts";
import type { MessageWriter } from "./message_writer.ts";
import { parseAttributes } from "./parse_attributes.ts";
import { parsePrefix } from "./prefix.ts";
import type { IfExists, RouteRequest } from "./route_request.ts";

/** What a rule does with a packet that fits. */
export type RuleAction =
  | "table"
  | "goto"
  | "blackhole"
  | "unreachable"
  | "prohibit";

/** A rule: packets that fit take the routes of a table, see ip-rule(8). */
export interface RuleSpec {
  /** The family of packets. */
  readonly family: "ipv4" | "ipv6";
  /** Its place; lower is earlier. */
  readonly priority?: number | undefined;
  /** Where packets come from. */
  readonly source?: string | undefined;
  /** Where they go. */
  readonly destination?: string | undefined;
  /** The link they came in by. */
  readonly inputLink?: string | undefined;
  /** The link they shall go out by. */
  readonly outputLink?: string | undefined;
  /** Their mark. */
  readonly mark?: number | undefined;
  /** Which bits of the mark count. */
  readonly markMask?: number | undefined;
  /** The number of their protocol. */
  readonly ipProtocol?: number | undefined;
  /** Routes of the table with a prefix as short as this do not count. */
  readonly suppressPrefixLength?: number | undefined;
  /** Takes packets that do not fit. */
  readonly invert?: boolean | undefined;
  /**
   * What it does.
   *
   * @default {"table"}
   */
  readonly action?: RuleAction | undefined;
  /**
   * The table.
   *
   * @default {254, the main one}
   */
  readonly table?: number | undefined;
}

const RTM = { NEWRULE: 32, DELRULE: 33, GETRULE: 34 };
const FRA = { DST: 1, SRC: 2 };
/** `AF_INET` and `AF_INET6` */
const FIB_RULE_INVERT = 2;
const RT_TABLE_MAIN = 254;
const ACTIONS: Readonly<Record<RuleAction, number>> = {
  table: 1,
  goto: 2,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
};

interface Plain {
  readonly inputLink?: string | undefined;
  readonly priority?: number | undefined;
  readonly mark?: number | undefined;
  readonly suppressPrefixLength?: number | undefined;
  readonly table?: number | undefined;
  readonly markMask?: number | undefined;
  readonly outputLink?: string | undefined;
  readonly ipProtocol?: number | undefined;
}

const PLAIN: Fields<Plain> = {
  inputLink: text(3),
  priority: u32(6),
  mark: u32(10),
  suppressPrefixLength: u32(14),
  table: u32(15),
  markMask: u32(16),
  outputLink: text(17),
  ipProtocol: u8(22),
};
/** What the kernel says where a rule has no such limit. */
const NO_LIMIT = 0xffffffff;

function writeRule(
  writer: MessageWriter,
  spec: RuleSpec,
  deleting: boolean,
): void {
  const prefixOf = (text: string | undefined) => {
    const prefix = text === undefined ? undefined : parsePrefix(text);
    if (prefix && familyOf(prefix.address) !== familyNumber(spec.family)) {
      throw new TypeError(`Cannot use ${text} in a rule of ${spec.family}`);
    }
    return prefix;
  };
  const source = prefixOf(spec.source);
  const destination = prefixOf(spec.destination);
  const { action = "table" } = spec;
  // What is left out of a deletion is not compared.
  const table = spec.table ??
    (deleting || action !== "table" ? undefined : RT_TABLE_MAIN);
  // struct fib_rule_hdr
  writer.u8(familyNumber(spec.family));
  writer.u8(destination?.length ?? 0).u8(source?.length ?? 0).u8(0);
  writer.u8(table !== undefined && table < 256 ? table : 0).u8(0).u8(0);
  writer.u8(
    deleting && spec.action === undefined ? 0 : wordNumber(ACTIONS, action),
  );
  writer.u32(spec.invert ? FIB_RULE_INVERT : 0);
  if (destination?.length) writer.attribute(FRA.DST, destination.address);
  if (source?.length) writer.attribute(FRA.SRC, source.address);
  writeFields<Plain>(writer, PLAIN, {
    inputLink: spec.inputLink,
    priority: spec.priority,
    mark: spec.mark,
    suppressPrefixLength: spec.suppressPrefixLength,
    table,
    markMask: spec.markMask,
    outputLink: spec.outputLink,
    ipProtocol: spec.ipProtocol,
  });
}

function describe(spec: RuleSpec): string {
  const place = spec.priority === undefined ? "" : ` ${spec.priority}`;
  return `${spec.family} rule${place}`;
}

/**
 * Adds a rule.
 *
 * @param spec The rule.
 * @param options What to do if there is one already.
 * @returns A request without an answer.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { addRule, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(addRule({ family: "ipv4", source: "10.1.0.0/16", table: 100 }));
 * ```
 */
export function addRule(
  spec: RuleSpec,
  options: { readonly ifExists?: Exclude<IfExists, "replace"> } = {},
): RouteRequest<void> {
  return {
    operation: `add ${describe(spec)}`,
    type: RTM.NEWRULE,
    body: (writer) => writeRule(writer, spec, false),
    ...creation(options.ifExists),
  };
}

/**
 * Deletes the first rule that fits.
 *
 * @param spec The rule; what is left out fits any.
 * @returns A request that tells whether there was one.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts ignore
 * import { deleteRule, RouteSocket } from "@containerkit/network";
 *
 * using route = new RouteSocket();
 * await route.request(deleteRule({ family: "ipv4", priority: 100 }));
 * ```
 */
export function deleteRule(spec: RuleSpec): RouteRequest<boolean> {
  return {
    operation: `delete ${describe(spec)}`,
    type: RTM.DELRULE,
    flags: 0,
    body: (writer) => writeRule(writer, spec, true),
    ...deleted(["ENOENT"]),
  };
}

/**
 * Lists rules.
 *
 * @param options Those of one family, or of both.
 * @returns A request that gives the rules, by priority.
 *
 * @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html
 *
 * @example Usage
 * ```ts
 * import { listRules, RouteSocket } from "@containerkit/network";
 * import { assert } from "@std/assert";
 *
 * using route = new RouteSocket();
 * const rules = await route.request(listRules({ family: "ipv4" }));
 * assert(rules.some(({ table }) => table === 254));
 * ```
 */
export function listRules(
  options: { readonly family?: "ipv4" | "ipv6" } = {},
): RouteRequest<RuleSpec[]> {
  return {
    operation: "list rules",
    type: RTM.GETRULE,
    flags: 0,
    dump: true,
    body(writer) {
      writer.u8(familyNumber(options.family)).u8(0).u8(0).u8(0);
      writer.u32(0).u32(0);
    },
    decode: (messages) =>
      messages.filter(isInet).map(({ payload }) => parseRule(payload)),
  };
}

/**
 * Reads a rule from the payload of an `RTM_NEWRULE` or `RTM_DELRULE` message.
 *
 * @param payload What follows the netlink header.
 * @returns The rule.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseRule } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.u8(2).u8(0).u8(0).u8(0).u8(100).u8(0).u8(0).u8(1).u32(0);
 * assertEquals(parseRule(writer.bytes).table, 100);
 * ```
 */
export function parseRule(payload: Uint8Array<ArrayBuffer>): RuleSpec {
  const header = view(payload, 12);
  const attributes = parseAttributes(payload, 12);
  const prefix = (type: number, length: number) => {
    const address = attributes.get(type);
    return address && `${readIp(address)}/${length}`;
  };
  const plain = readFields<Plain>(PLAIN, attributes);
  const { suppressPrefixLength } = plain;
  return {
    family: familyName(header.getUint8(0)),
    ...plain,
    priority: plain.priority ?? 0,
    suppressPrefixLength: suppressPrefixLength === NO_LIMIT
      ? undefined
      : suppressPrefixLength,
    source: prefix(FRA.SRC, header.getUint8(2)),
    destination: prefix(FRA.DST, header.getUint8(1)),
    invert: (header.getUint32(8, true) & FIB_RULE_INVERT) !== 0,
    action: numberWord(ACTIONS, header.getUint8(7)),
    table: plain.table ?? header.getUint8(4),
  };
}
