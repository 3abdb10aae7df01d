/**
 * Links as the kernel reports them.
 *
 * @module
 */

import {
  i32,
  mac,
  numberWord,
  readFields,
  readText,
  text,
  u32,
  u8,
  view,
} from "./_fields.ts";
import { BRIDGE_PORT, readKindOptions } from "./_link_kinds.ts";
import type {
  BridgeOptions,
  BridgePortOptions,
  GeneveOptions,
  IpvlanOptions,
  MacvlanOptions,
  NetkitOptions,
  VlanOptions,
  VrfOptions,
  VxlanOptions,
} from "./link_kind.ts";
import { indexAttributes } from "./_walk_attributes.ts";
import { listAttributes } from "./parse_attributes.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A link by its index or its name. */
export type LinkRef = number | string;

/** Counters of a link since it was made; seen from its own end. */
export interface LinkStatistics {
  /** Packets received. */
  readonly rxPackets: bigint;
  /** Packets sent. */
  readonly txPackets: bigint;
  /** Bytes received. */
  readonly rxBytes: bigint;
  /** Bytes sent. */
  readonly txBytes: bigint;
  /** Packets received that were bad. */
  readonly rxErrors: bigint;
  /** Packets that could not be sent. */
  readonly txErrors: bigint;
  /** Packets received and dropped for lack of room. */
  readonly rxDropped: bigint;
  /** Packets dropped on their way out. */
  readonly txDropped: bigint;
  /** Multicast packets received. */
  readonly multicast: bigint;
  /** Collisions seen. */
  readonly collisions: bigint;
}

/** What the link says of its ability to carry packets, see RFC 2863. */
export type OperState =
  | "unknown"
  | "notpresent"
  | "down"
  | "lowerlayerdown"
  | "testing"
  | "dormant"
  | "up";

/** A link: what ip-link(8) shows of an interface. */
export interface Link {
  /** Identifies it in its namespace. */
  readonly index: number;
  /** Its name, up to 15 bytes. */
  readonly name: string;
  /** Such as `veth`; `undefined` for hardware and loopback. */
  readonly kind: string | undefined;
  /** `IFF_*`, see netdevice(7). */
  readonly flags: number;
  /** Whether it was set up. */
  readonly up: boolean;
  /** Whether it can carry packets. */
  readonly operState: OperState;
  /** The largest packet in bytes. */
  readonly mtu: number;
  /** Its hardware address. */
  readonly address: string | undefined;
  /** The index of the bridge, bond or VRF it belongs to. */
  readonly master: number | undefined;
  /** The index of its parent, or of the other end of a pair; may be an index of another namespace. */
  readonly parent: number | undefined;
  /** The namespace of `parent` where that is another one, as this namespace numbers it. */
  readonly parentNetns: number | undefined;
  /** A free text. */
  readonly alias: string | undefined;
  /** Its group, for acting on many at once. */
  readonly group: number;
  /** How many packets wait to be sent at most. */
  readonly txQueueLength: number | undefined;
  /** Further names. */
  readonly altNames: readonly string[];
  /** Options of its kind, where the kind has any. */
  readonly options:
    | BridgeOptions
    | MacvlanOptions
    | IpvlanOptions
    | VlanOptions
    | VxlanOptions
    | GeneveOptions
    | VrfOptions
    | NetkitOptions
    | undefined;
  /** Options as a port of a bridge. */
  readonly port: BridgePortOptions | undefined;
  /** Its counters; absent where the list was asked to leave them out. */
  readonly statistics: LinkStatistics | undefined;
}

const OPER_STATES: Readonly<Record<OperState, number>> = {
  unknown: 0,
  notpresent: 1,
  down: 2,
  lowerlayerdown: 3,
  testing: 4,
  dormant: 5,
  up: 6,
};

/** Options of {@linkcode parseLink}. */
export interface ParseLinkOptions {
  /**
   * Reads the counters too.
   *
   * @default {true}
   */
  readonly statistics?: boolean | undefined;
}

/** The order of `struct rtnl_link_stats64`. */
const STATISTICS = [
  "rxPackets",
  "txPackets",
  "rxBytes",
  "txBytes",
  "rxErrors",
  "txErrors",
  "rxDropped",
  "txDropped",
  "multicast",
  "collisions",
] as const satisfies readonly (keyof LinkStatistics)[];

const IFF_UP = 1;
const IFLA = {
  LINKINFO: 18,
  STATS64: 23,
  PROP_LIST: 52,
  ALT_IFNAME: 53,
};

/** The plain attributes; what nests is read by hand. */
const FIELDS = {
  address: mac(1),
  name: text(3),
  mtu: u32(4),
  parent: u32(5),
  master: u32(10),
  txQueueLength: u32(13),
  operState: u8(16),
  alias: text(20),
  group: u32(27),
  parentNetns: i32(37),
};

interface Values {
  address: string;
  name: string;
  mtu: number;
  parent: number;
  master: number;
  txQueueLength: number;
  operState: number;
  alias: string;
  group: number;
  parentNetns: number;
}

function readStatistics(data: Bytes): LinkStatistics {
  const numbers = view(data, STATISTICS.length * 8);
  const statistics: Partial<Record<keyof LinkStatistics, bigint>> = {};
  for (const [index, name] of STATISTICS.entries()) {
    statistics[name] = numbers.getBigUint64(index * 8, true);
  }
  return statistics as LinkStatistics;
}

/** `IFLA_LINKINFO`: the kind and its options, and those as a port. */
function readInfo(data: Bytes): Pick<Link, "kind" | "options" | "port"> {
  const info = indexAttributes(data);
  const [kindData, optionData, portKind, portData] = [1, 2, 4, 5].map((type) =>
    info.get(type)
  );
  const kind = kindData && readText(kindData);
  const isBridgePort = portKind && readText(portKind) === "bridge";
  return {
    kind,
    options: kind === undefined || optionData === undefined
      ? undefined
      : readKindOptions(kind, indexAttributes(optionData)),
    port: isBridgePort && portData
      ? readFields(BRIDGE_PORT, indexAttributes(portData))
      : undefined,
  };
}

/**
 * Reads a link from the payload of an `RTM_NEWLINK` or `RTM_DELLINK` message.
 *
 * @param payload What follows the netlink header.
 * @param options What to leave out.
 * @returns The link.
 * @throws {SyntaxError} If it is none.
 *
 * @example Usage
 * ```ts
 * import { MessageWriter, parseLink } from "@containerkit/network";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.u8(0).u8(0).u16(1).u32(7).u32(1).u32(0).string(3, "eth0");
 * const { index, name, up } = parseLink(writer.bytes);
 * assertEquals({ index, name, up }, { index: 7, name: "eth0", up: true });
 * ```
 */
export function parseLink(
  payload: Uint8Array<ArrayBuffer>,
  options: ParseLinkOptions = {},
): Link {
  const header = view(payload, 16);
  const attributes = indexAttributes(payload, 16);
  const values = readFields<Values>(FIELDS, attributes);
  const flags = header.getUint32(8, true);
  const info = attributes.get(IFLA.LINKINFO);
  const statistics = options.statistics ?? true
    ? attributes.get(IFLA.STATS64)
    : undefined;
  const properties = attributes.get(IFLA.PROP_LIST);
  return {
    index: header.getInt32(4, true),
    name: values.name ?? "",
    flags,
    up: (flags & IFF_UP) !== 0,
    operState: numberWord(OPER_STATES, values.operState ?? 0),
    mtu: values.mtu ?? 0,
    address: values.address,
    master: values.master,
    parent: values.parent,
    parentNetns: values.parentNetns,
    alias: values.alias,
    group: values.group ?? 0,
    txQueueLength: values.txQueueLength,
    altNames: properties === undefined
      ? []
      : listAttributes(properties).filter(({ type }) =>
        type === IFLA.ALT_IFNAME
      ).map(({ data }) => readText(data)),
    ...(info === undefined
      ? { kind: undefined, options: undefined, port: undefined }
      : readInfo(info)),
    statistics: statistics && readStatistics(statistics),
  };
}
