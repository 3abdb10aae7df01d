import { Turns } from "./_turns.ts";
import { DumpInterruptedError } from "./dump_interrupted_error.ts";
import { NetlinkError } from "./netlink_error.ts";
import { NftBatch } from "./nft_batch.ts";
import { getNftGeneration, type NftTableRef } from "./nft_list.ts";
import type { NftSocket } from "./nft_socket.ts";
import type { RequestOptions } from "./route_socket.ts";

/** How often a change is planned anew when others change the rules too. */
const ATTEMPTS = 32;

/** Other programs may come first; within this one it would only be work done twice. */
const turns = new Turns();

/** Options of {@linkcode changeNft}. */
interface ChangeOptions extends RequestOptions {
  /** Looks at what is there and says what to change. */
  plan(batch: NftBatch): Promise<void>;
}

/** Whether somebody has changed the rules meanwhile. */
function isStale(error: unknown): boolean {
  return error instanceof DumpInterruptedError ||
    error instanceof NetlinkError && error.code === "ERESTART";
}

/** Plans and commits a change of a table until nobody interfered. */
export function changeNft(
  nft: NftSocket,
  { family, table }: NftTableRef,
  options: ChangeOptions,
): Promise<void> {
  return turns.take(async () => {
    for (let attempt = 1;; attempt++) {
      const generation = await nft.request(getNftGeneration(), options);
      const batch = new NftBatch(family, table);
      try {
        await options.plan(batch);
        return await nft.commit(batch, { ...options, generation });
      } catch (error) {
        if (!isStale(error) || attempt === ATTEMPTS) throw error;
      }
    }
  }, options.signal);
}
