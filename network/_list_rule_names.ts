import { NFGEN } from "./_nft_message.ts";
import { type NftRuleName, readRuleName } from "./_nft_rule_name.ts";
import { listNftRules, type NftTableRef } from "./nft_list.ts";
import type { NftSocket } from "./nft_socket.ts";
import { parseAttributes } from "./parse_attributes.ts";
import type { RequestOptions } from "./route_socket.ts";

/** The rules that are there, by their names: what they do is known, and reading it takes longer than the kernel. */
export function listRuleNames(
  nft: NftSocket,
  ref: NftTableRef & { readonly chain?: string },
  options: RequestOptions = {},
): Promise<NftRuleName[]> {
  return nft.request({
    ...listNftRules(ref),
    decode: (messages) =>
      messages.map(({ payload }) =>
        readRuleName(parseAttributes(payload, NFGEN))
      ),
  }, options);
}
