import { be64, readFields, readText } from "./_fields.ts";
import { readComment } from "./_nft_comment.ts";
import type { NftRule } from "./nft_list.ts";

/** Where a rule is and what it is called, without what it does. */
export type NftRuleName = Omit<NftRule, "expressions">;

/** Reads that much of a rule from the attributes of a message of nftables. */
export function readRuleName(
  attributes: ReadonlyMap<number, Uint8Array<ArrayBuffer>>,
): NftRuleName {
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
