import { type Fields, mac, text, u32, u8, writeFields } from "./_fields.ts";
import type { LinkRef } from "./link.ts";
import type { MessageWriter } from "./message_writer.ts";

/** `RTM_*` of links. */
export const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18 };
/** `IFLA_*` of what is not a plain field. */
export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  LINK: 5,
  MASTER: 10,
  LINKINFO: 18,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  ALT_IFNAME: 53,
  TARGET_NETNSID: 46,
  NEW_IFINDEX: 49,
};
export const IFF_UP = 1;

/** What can be given at birth and changed later. */
export interface PlainAttributes {
  readonly address?: string | undefined;
  readonly name?: string | undefined;
  readonly mtu?: number | undefined;
  readonly txQueueLength?: number | undefined;
  readonly alias?: string | undefined;
  readonly group?: number | undefined;
  readonly txQueues?: number | undefined;
  readonly rxQueues?: number | undefined;
  readonly gsoMaxSize?: number | undefined;
  readonly gsoMaxSegments?: number | undefined;
  readonly groMaxSize?: number | undefined;
}

const PLAIN: Fields<PlainAttributes> = {
  address: mac(1),
  name: text(3),
  mtu: u32(4),
  txQueueLength: u32(13),
  alias: text(20),
  group: u32(27),
  txQueues: u32(31),
  rxQueues: u32(32),
  gsoMaxSegments: u32(40),
  gsoMaxSize: u32(41),
  groMaxSize: u32(58),
};

const encoder = new TextEncoder();
const NAME_REGEXP = /^(?!\.\.?$)[^\s/:]+$/;

/** In bytes; a letter that takes two units of a string takes four there. */
function utf8Size(text: string): number {
  let size = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) size++;
    if (code > 0x7ff && (code < 0xd800 || code > 0xdfff)) size++;
  }
  return size;
}

/** Whether it can only be a further name, which may be longer than the first. */
export function isLongName(name: string): boolean {
  return utf8Size(name) > 15;
}

/** Throws where the kernel would only say "invalid". */
export function checkLinkName(name: string): void {
  const size = utf8Size(name);
  if (size > 15) {
    throw new RangeError(
      `Cannot name a link "${name}": it has ${size} bytes, 15 is the most`,
    );
  }
  const isSpaced = size > name.length && encoder.encode(name).includes(0xa0);
  if (isSpaced || !NAME_REGEXP.test(name)) {
    throw new TypeError(
      `Cannot name a link ${
        JSON.stringify(name)
      }: a name is not empty and has no space, slash or colon${
        isSpaced ? ", and the kernel takes a byte 0xa0 for a space" : ""
      }`,
    );
  }
}

/** The same for a name that the kernel is to take as it is: of `%d` it makes a number. */
export function checkWholeName(name: string): void {
  checkLinkName(name);
  if (name.includes("%")) {
    throw new TypeError(`Cannot use a link named "${name}": it has a "%"`);
  }
}

/** `struct ifinfomsg` */
export function writeLinkHeader(
  writer: MessageWriter,
  { index = 0, flags = 0, change = 0, family = 0 } = {},
): void {
  writer.u8(family).u8(0).u16(0).u32(index).u32(flags).u32(change);
}

/** Writes which link it is, for messages that take any of its names. */
export function writeLinkRef(writer: MessageWriter, link: LinkRef): void {
  writeLinkHeader(writer, typeof link === "number" ? { index: link } : {});
  if (typeof link === "number") return;
  writer.string(isLongName(link) ? IFLA.ALT_IFNAME : IFLA.IFNAME, link);
}

/** Writes the plain attributes that are set. */
export function writePlain(
  writer: MessageWriter,
  attributes: PlainAttributes,
): void {
  if (attributes.name !== undefined) checkLinkName(attributes.name);
  writeFields(writer, PLAIN, attributes);
}

/** `AF_INET6` in `IFLA_AF_SPEC`: how the link gets an address of its own. */
export function writeAddressGeneration(
  writer: MessageWriter,
  mode: number,
): void {
  writer.nest(
    IFLA.AF_SPEC,
    () => writer.nest(10, () => u8(8).write(writer, mode)),
  );
}

/** How an error speaks of a link. */
export function describeLink(link: LinkRef): string {
  return typeof link === "number" ? `link ${link}` : `link "${link}"`;
}
