import { NetlinkError } from "./netlink_error.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { NetlinkMessage } from "./parse_messages.ts";

/** `NLMSG_ERROR`, which also tells that all went well. */
export const NLMSG_ERROR = 2;
/** `NLMSG_DONE`, the end of a list. */
export const NLMSG_DONE = 3;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;

/** Reads an NLMSG_ERROR, or an NLMSG_DONE that carries an error. */
export function parseAck(
  message: NetlinkMessage,
  operation: string,
): { error?: NetlinkError; warning?: string } {
  const { payload, flags, type } = message;
  if (payload.length < 4) {
    if (type === NLMSG_DONE) return {};
    throw new SyntaxError("Cannot parse a netlink error: it is too short");
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const code = -view.getInt32(0, true);
  let kernelMessage: string | undefined;
  let offset: number | undefined;
  let missing: number | undefined;
  if (flags & NLM_F_ACK_TLVS) {
    let quoted = 0;
    if (type === NLMSG_ERROR) {
      if (payload.length < 20) {
        throw new SyntaxError("Cannot parse a netlink error: it is too short");
      }
      quoted = flags & NLM_F_CAPPED ? 16 : view.getUint32(4, true);
    }
    const attributes = parseAttributes(payload, 4 + (quoted + 3 & ~3));
    const number = (data: Uint8Array<ArrayBuffer> | undefined) =>
      data === undefined || data.length < 4
        ? undefined
        : new DataView(data.buffer, data.byteOffset).getUint32(0, true);
    const text = attributes.get(1);
    kernelMessage = text && new TextDecoder().decode(text).replace(/\0.*$/, "");
    offset = number(attributes.get(2));
    missing = number(attributes.get(5));
  }
  if (code === 0) return kernelMessage ? { warning: kernelMessage } : {};
  const details = { errno: code, kernelMessage, offset, missing };
  return { error: new NetlinkError(operation, details) };
}
