/** Sets and maps of nftables, and their elements, as the kernel takes them. */
import { writeVerdictData } from "./_nft_codec.ts";
import { writeComment } from "./_nft_comment.ts";
import { ELEMENT } from "./_nft_message.ts";
import type { MessageWriter } from "./message_writer.ts";
import type { NftElement, NftSetSpec } from "./nft_types.ts";

/** What a map of verdicts maps to; it is no type that `nft` knows by number. */
const TYPE_VERDICT = 0xffffff00;
/** Types whose values are not in network order: of links' names, and of marks. */
const HOST_ORDER: ReadonlySet<number> = new Set([19, 41]);
/** User data that tells `nft` so: `u8 type = 0, u8 length = 4, u32 order`. Without it shows every name as "". */
const KEY_IN_HOST_ORDER = Uint8Array.of(0, 4, 1, 0, 0, 0);
const SET_INTERVAL = 4;
const SET_MAP = 8;
const SET_CONCATENATION = 0x80;

/** Writes what a set holds. */
export function writeSet(writer: MessageWriter, spec: NftSetSpec): void {
  const { dataLength, fields, interval, verdicts } = spec;
  const dataType = verdicts ? TYPE_VERDICT : spec.dataType;
  const flags = (dataType === undefined ? 0 : SET_MAP) |
    (interval ? SET_INTERVAL : 0) |
    (interval && fields ? SET_CONCATENATION : 0);
  writer.attributeBe32(3, flags);
  writer.attributeBe32(4, spec.keyType);
  writer.attributeBe32(5, spec.keyLength);
  if (dataType !== undefined) {
    writer.attributeBe32(6, dataType);
    writer.attributeBe32(7, dataLength ?? 0);
  }
  if (HOST_ORDER.has(spec.keyType)) writer.attribute(13, KEY_IN_HOST_ORDER);
  if (fields !== undefined) {
    writer.nest(9, () =>
      writer.nest(2, () => {
        for (const length of fields) {
          writer.nest(1, () => writer.attributeBe32(1, length));
        }
      }));
  }
}

/** Writes one element. */
export function writeElement(writer: MessageWriter, element: NftElement): void {
  const { key, keyEnd, data, verdict, comment } = element;
  const flags = (element.intervalEnd ? ELEMENT.INTERVAL_END : 0) |
    (key.length === 0 ? ELEMENT.CATCHALL : 0);
  if (key.length > 0) writer.nest(1, () => writer.attribute(1, key));
  if (keyEnd !== undefined) writer.nest(10, () => writer.attribute(1, keyEnd));
  if (data !== undefined) writer.nest(2, () => writer.attribute(1, data));
  if (verdict !== undefined) {
    writer.nest(2, () => writeVerdictData(writer, verdict));
  }
  if (flags !== 0) writer.attributeBe32(3, flags);
  if (comment !== undefined) writeComment(writer, { type: 6, comment });
}
