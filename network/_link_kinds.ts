import {
  be16,
  bool,
  type Fields,
  ip,
  readFields,
  u16,
  u32,
  u8,
  word,
} from "./_fields.ts";
import type { AttributesByType } from "./_walk_attributes.ts";
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

/** `IFLA_BR_*` */
const BRIDGE: Fields<BridgeOptions> = {
  forwardDelay: u32(1),
  helloTime: u32(2),
  maxAge: u32(3),
  ageingTime: u32(4),
  stp: bool(u32(5)),
  priority: u16(6),
  vlanFiltering: bool(u8(7)),
  vlanProtocol: be16(8),
  groupForwardMask: u16(9),
  multicastSnooping: bool(u8(23)),
  callIptables: bool(u8(36)),
  callIp6tables: bool(u8(37)),
  vlanDefaultPvid: u16(39),
};

/** `IFLA_BRPORT_*` */
export const BRIDGE_PORT: Fields<BridgePortOptions> = {
  state: u8(1),
  priority: u16(2),
  cost: u32(3),
  hairpin: bool(u8(4)),
  guard: bool(u8(5)),
  rootBlock: bool(u8(6)),
  fastLeave: bool(u8(7)),
  learning: bool(u8(8)),
  unicastFlood: bool(u8(9)),
  proxyArp: bool(u8(10)),
  multicastFlood: bool(u8(27)),
  broadcastFlood: bool(u8(30)),
  neighborSuppress: bool(u8(32)),
  isolated: bool(u8(33)),
  locked: bool(u8(39)),
};

/** `IFLA_MACVLAN_*` */
const MACVLAN: Fields<MacvlanOptions> = {
  mode: word(u32(1), {
    private: 1,
    vepa: 2,
    bridge: 4,
    passthru: 8,
    source: 16,
  }),
  broadcastQueueLength: u32(7),
};

/** `IFLA_IPVLAN_*` */
const IPVLAN: Fields<IpvlanOptions> = {
  mode: word(u16(1), { l2: 0, l3: 1, l3s: 2 }),
  isolation: word(u16(2), { bridge: 0, private: 1, vepa: 2 }),
};

/** `IFLA_VLAN_*` */
const VLAN: Fields<VlanOptions> = {
  id: u16(1),
  protocol: word(be16(5), { "802.1q": 0x8100, "802.1ad": 0x88a8 }),
};

/** `IFLA_VXLAN_*` */
const VXLAN: Fields<VxlanOptions> = {
  id: u32(1),
  remote: ip(2),
  device: u32(3),
  local: ip(4),
  ttl: u8(5),
  learning: bool(u8(7)),
  ageing: u32(8),
  port: be16(15),
  remote6: ip(16),
  local6: ip(17),
  udpChecksum: bool(u8(18)),
  external: bool(u8(25)),
};

/** `IFLA_GENEVE_*` */
const GENEVE: Fields<GeneveOptions> = {
  id: u32(1),
  remote: ip(2),
  port: be16(5),
};

/** `IFLA_VRF_*` */
const VRF: Fields<VrfOptions> = { table: u32(1) };

const POLICY = { pass: 0, drop: 2 };

/** `IFLA_NETKIT_*`; scrubbing is 1 for "default", 0 for "none". */
const NETKIT: Fields<NetkitOptions> = {
  policy: word(u32(3), POLICY),
  peerPolicy: word(u32(4), POLICY),
  mode: word(u32(5), { l2: 0, l3: 1 }),
  scrub: bool(u32(6)),
  peerScrub: bool(u32(7)),
};

/** The options of each kind that has any. */
export const LINK_KINDS: Readonly<Record<string, Fields<object>>> = {
  bridge: BRIDGE,
  macvlan: MACVLAN,
  macvtap: MACVLAN,
  ipvlan: IPVLAN,
  vlan: VLAN,
  vxlan: VXLAN,
  geneve: GENEVE,
  vrf: VRF,
  netkit: NETKIT,
};

/** Where pairs hold their other end. */
export const PEER_TYPES: Readonly<Record<string, number>> = {
  veth: 1,
  netkit: 1,
};

/** Reads the options of a kind that is known. */
export function readKindOptions(
  kind: string,
  attributes: AttributesByType,
): object | undefined {
  const fields = Object.hasOwn(LINK_KINDS, kind) ? LINK_KINDS[kind] : undefined;
  return fields && readFields(fields, attributes);
}
