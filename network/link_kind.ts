/**
 * Kinds of links and what each can be told.
 *
 * @module
 */

/** Options of a bridge, see bridge(8) and ip-link(8). */
export interface BridgeOptions {
  /** How long a port listens and learns before it forwards, in hundredths of a second. */
  readonly forwardDelay?: number | undefined;
  /** Time between the messages of the spanning tree, in hundredths of a second. */
  readonly helloTime?: number | undefined;
  /** When the spanning tree's information is too old, in hundredths of a second. */
  readonly maxAge?: number | undefined;
  /** When an address that was learned is forgotten, in hundredths of a second. */
  readonly ageingTime?: number | undefined;
  /** Whether the spanning tree protocol is spoken. */
  readonly stp?: boolean | undefined;
  /** Its priority in the spanning tree. */
  readonly priority?: number | undefined;
  /** Whether ports have VLANs. */
  readonly vlanFiltering?: boolean | undefined;
  /** Which tags it understands, such as 0x8100. */
  readonly vlanProtocol?: number | undefined;
  /** Which link-local groups are passed on. */
  readonly groupForwardMask?: number | undefined;
  /** Whether it looks into multicast memberships. */
  readonly multicastSnooping?: boolean | undefined;
  /** Whether bridged IPv4 goes through iptables. */
  readonly callIptables?: boolean | undefined;
  /** Whether bridged IPv6 goes through ip6tables. */
  readonly callIp6tables?: boolean | undefined;
  /** VLAN of untagged frames on new ports; 0 for none. */
  readonly vlanDefaultPvid?: number | undefined;
}

/** Options of a link that is a port of a bridge. */
export interface BridgePortOptions {
  /** State in the spanning tree: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking. */
  readonly state?: number | undefined;
  /** Its priority in the spanning tree. */
  readonly priority?: number | undefined;
  /** What the spanning tree counts for it. */
  readonly cost?: number | undefined;
  /** Whether a frame may go out where it came in. */
  readonly hairpin?: boolean | undefined;
  /** Whether the spanning tree's messages are refused here. */
  readonly guard?: boolean | undefined;
  /** Whether it can never become the root port. */
  readonly rootBlock?: boolean | undefined;
  /** Whether multicast members leave at once. */
  readonly fastLeave?: boolean | undefined;
  /** Whether addresses are learned here. */
  readonly learning?: boolean | undefined;
  /** Whether frames to unknown addresses go out here. */
  readonly unicastFlood?: boolean | undefined;
  /** Whether it answers ARP for others. */
  readonly proxyArp?: boolean | undefined;
  /** Whether multicast without known members goes out here. */
  readonly multicastFlood?: boolean | undefined;
  /** Whether broadcast goes out here. */
  readonly broadcastFlood?: boolean | undefined;
  /** Whether ARP and ND of known neighbours is answered instead of flooded. */
  readonly neighborSuppress?: boolean | undefined;
  /** Whether it reaches only ports that are not isolated. */
  readonly isolated?: boolean | undefined;
  /** Whether only frames from known addresses may come in. */
  readonly locked?: boolean | undefined;
}

/** Options of a macvlan or macvtap link. */
export interface MacvlanOptions {
  /** How the links of one parent see one another. */
  readonly mode?:
    | "private"
    | "vepa"
    | "bridge"
    | "passthru"
    | "source"
    | undefined;
  /** How many broadcasts wait at most. */
  readonly broadcastQueueLength?: number | undefined;
}

/** Options of an ipvlan link. */
export interface IpvlanOptions {
  /** On which layer it works. */
  readonly mode?: "l2" | "l3" | "l3s" | undefined;
  /** How the links of one parent see one another. */
  readonly isolation?: "bridge" | "private" | "vepa" | undefined;
}

/** Options of a VLAN link. */
export interface VlanOptions {
  /** 1 to 4094. */
  readonly id?: number | undefined;
  /** The kind of tag. */
  readonly protocol?: "802.1q" | "802.1ad" | undefined;
}

/** Options of a VXLAN link. */
export interface VxlanOptions {
  /** The VNI, below 2^24. */
  readonly id?: number | undefined;
  /** Where unknown frames go: an IPv4 multicast group or a host. */
  readonly remote?: string | undefined;
  /** The same for IPv6. */
  readonly remote6?: string | undefined;
  /** The own IPv4 address. */
  readonly local?: string | undefined;
  /** The own IPv6 address. */
  readonly local6?: string | undefined;
  /** The index of the link that carries it. */
  readonly device?: number | undefined;
  /** Time to live of the outer packets. */
  readonly ttl?: number | undefined;
  /** Whether addresses are learned. */
  readonly learning?: boolean | undefined;
  /** When an address that was learned is forgotten, in seconds. */
  readonly ageing?: number | undefined;
  /** The UDP port. */
  readonly port?: number | undefined;
  /** Whether the outer UDP has checksums. */
  readonly udpChecksum?: boolean | undefined;
  /** Whether the tunnel is given per packet, by routes or programs. */
  readonly external?: boolean | undefined;
}

/** Options of a geneve link. */
export interface GeneveOptions {
  /** The VNI, below 2^24. */
  readonly id?: number | undefined;
  /** The other end's IPv4 address. */
  readonly remote?: string | undefined;
  /** The UDP port. */
  readonly port?: number | undefined;
}

/** Options of a VRF link. */
export interface VrfOptions {
  /** The routing table. */
  readonly table?: number | undefined;
}

/** Options of a netkit pair. */
export interface NetkitOptions {
  /** On which layer it works. */
  readonly mode?: "l2" | "l3" | undefined;
  /** What happens to packets that no program looks at. */
  readonly policy?: "pass" | "drop" | undefined;
  /** The same on the other end. */
  readonly peerPolicy?: "pass" | "drop" | undefined;
  /** Whether marks are cleared on the way through. */
  readonly scrub?: boolean | undefined;
  /** The same on the other end. */
  readonly peerScrub?: boolean | undefined;
}
