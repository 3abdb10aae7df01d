import { be64, readFields, readText } from "./_fields.ts";
import { readComment } from "./_nft_comment.ts";
import type { NftRule } from "./nft_list.ts";
import { parseAttributes } from "./parse_attributes.ts";

/** What comes before the attributes. */
const NFGEN = 4;

/** Where a rule is and what it is called, without what it does. */
export type NftRuleName = Omit<NftRule, "expressions">;

/** Reads that much of a rule from the payload of a message of nftables. */
export function parseRuleName(payload: Uint8Array<ArrayBuffer>): NftRuleName {
  const attributes = parseAttributes(payload, NFGEN);
  const chain = attributes.get(2);
  const { handle } = readFields({ handle: be64(3) }, attributes);
  if (chain === undefined || handle === undefined) {
    throw new SyntaxError("Cannot parse an nftables rule: its name is missing");
  }
  return {
    chain: readText(chain),
    handle,
    comment: readComment(attributes.get(7)),
  };
}
