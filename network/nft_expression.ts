/**
 * Expressions of nftables rules.
 *
 * @module
 */

/**
 * Where an expression puts or takes a value: 1 to 4 are 16 bytes each, 8 to 23
 * are 4 bytes each and share the same room. 0 is the verdict.
 */
export type NftRegister = number;

/** Loads a property of the packet that is not in it. */
export interface NftMeta {
  /** Which expression. */
  readonly type: "meta";
  /** Which property. */
  readonly key:
    | "protocol"
    | "mark"
    | "iif"
    | "oif"
    | "iifname"
    | "oifname"
    | "nfproto"
    | "l4proto";
  /** Where to put it. */
  readonly register: NftRegister;
}

/** Loads bytes of the packet. */
export interface NftPayload {
  /** Which expression. */
  readonly type: "payload";
  /** Where counting starts. */
  readonly base: "link" | "network" | "transport";
  /** The first byte. */
  readonly offset: number;
  /** How many. */
  readonly length: number;
  /** Where to put them. */
  readonly register: NftRegister;
}

/** Goes on only if a register compares so to a value. */
export interface NftCompare {
  /** Which expression. */
  readonly type: "cmp";
  /** The register. */
  readonly register: NftRegister;
  /** How to compare. */
  readonly op: "eq" | "neq" | "lt" | "lte" | "gt" | "gte";
  /** The value, as it stands in the packet. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Masks a register: and, then exclusive or. */
export interface NftBitwise {
  /** Which expression. */
  readonly type: "bitwise";
  /** The register, read and written. */
  readonly register: NftRegister;
  /** What is kept. */
  readonly mask: Uint8Array<ArrayBuffer>;
  /** What is flipped. */
  readonly xor: Uint8Array<ArrayBuffer>;
}

/** Puts a value into a register. */
export interface NftImmediate {
  /** Which expression. */
  readonly type: "immediate";
  /** The register. */
  readonly register: NftRegister;
  /** The value. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Decides what happens to the packet. */
export interface NftVerdict {
  /** Which expression. */
  readonly type: "verdict";
  /** The decision. */
  readonly verdict: "accept" | "drop" | "continue" | "return" | "jump" | "goto";
  /** Where `jump` and `goto` lead. */
  readonly chain?: string | undefined;
}

/** Goes on only if a register is in a set; of a map, loads what it is mapped to. */
export interface NftLookup {
  /** Which expression. */
  readonly type: "lookup";
  /** The set or map. */
  readonly set: string;
  /** What is looked up. */
  readonly register: NftRegister;
  /** Where to put what it is mapped to; 0 for a verdict. */
  readonly into?: NftRegister | undefined;
  /** Goes on only if it is not in the set. */
  readonly inverted?: boolean | undefined;
}

/** Gives the flow the address of the link it goes out by. */
export interface NftMasquerade {
  /** Which expression. */
  readonly type: "masq";
}

/** Gives the flow another address, and port. */
export interface NftNat {
  /** Which expression. */
  readonly type: "nat";
  /** Which end of the flow. */
  readonly nat: "snat" | "dnat";
  /** The family of the address. */
  readonly family: "ip" | "ip6";
  /** The register of the address. */
  readonly address?: NftRegister | undefined;
  /** The register of the port. */
  readonly port?: NftRegister | undefined;
}

/** Loads what the routing tables say of the destination: 2 is an address of this host. */
export interface NftFib {
  /** Which expression. */
  readonly type: "fib";
  /** Where to put the type of the address. */
  readonly register: NftRegister;
}

/** Loads a property of the flow. */
export interface NftConntrack {
  /** Which expression. */
  readonly type: "ct";
  /** Which property. */
  readonly key: "state" | "direction" | "status" | "mark";
  /** Where to put it. */
  readonly register: NftRegister;
}

/** Counts. */
export interface NftCounter {
  /** Which expression. */
  readonly type: "counter";
  /** How many packets came by. */
  readonly packets?: bigint | undefined;
  /** How many bytes they had. */
  readonly bytes?: bigint | undefined;
}

/** Any other expression, or one that says more than its form here, as the kernel reads it. */
export interface NftRaw {
  /** Which expression. */
  readonly type: "raw";
  /** Its name, such as `limit`. */
  readonly name: string;
  /** Its attributes. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** One step of a rule; the first that does not apply ends it. */
export type NftExpression =
  | NftMeta
  | NftPayload
  | NftCompare
  | NftBitwise
  | NftImmediate
  | NftVerdict
  | NftLookup
  | NftMasquerade
  | NftNat
  | NftFib
  | NftConntrack
  | NftCounter
  | NftRaw;
