import { NetlinkError } from "./netlink_error.ts";
import { NftBatch } from "./nft_batch.ts";
import { getNftGeneration, type NftTableRef } from "./nft_list.ts";
import type { NftSocket } from "./nft_socket.ts";
import type { RequestOptions } from "./route_socket.ts";

/** How often a change is planned anew when others change the rules too. */
const ATTEMPTS = 32;

/** Options of {@linkcode changeNft}. */
interface ChangeOptions extends RequestOptions {
  /** Looks at what is there and says what to change. */
  plan(batch: NftBatch): Promise<void>;
}

/** Plans and commits a change of a table until nobody interfered. */
export async function changeNft(
  nft: NftSocket,
  { family, table }: NftTableRef,
  options: ChangeOptions,
): Promise<void> {
  for (let attempt = 1;; attempt++) {
    const generation = await nft.request(getNftGeneration(), options);
    const batch = new NftBatch(family, table);
    await options.plan(batch);
    try {
      return await nft.commit(batch, { ...options, generation });
    } catch (error) {
      const stale = error instanceof NetlinkError && error.code === "ERESTART";
      if (!stale || attempt === ATTEMPTS) throw error;
    }
  }
}
