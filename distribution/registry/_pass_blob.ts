import type { Call } from "./_context.ts";
import { pullBlob } from "./_pull_blob.ts";
import { type BlobContent, sendBlob } from "./_send_blob.ts";
import { unknownBlob } from "./_unknown_blob.ts";
import { isMissing } from "./_upstream.ts";

/** So much has to be there before any of it is sent, in bytes: what goes wrong until then has a status. */
const FIRST = 64 * 1024;

/** Answers with a blob that the registry behind this one has, while it comes from there. */
export function passBlob(call: Call, content: BlobContent): Promise<Response> {
  const { digest, size } = content;
  const { store, onError } = call.context;
  return sendBlob(call, content, async (start, end) => {
    const { growing, kept } = pullBlob(call, digest, size);
    const stream = await growing.open(start, end, { first: FIRST });
    if (stream !== undefined) {
      kept.catch((error) => onError?.(error, call.request));
      return stream;
    }
    try {
      await kept;
      return await store.open(digest, { offset: start, length: end - start });
    } catch (error) {
      if (isMissing(error)) throw unknownBlob();
      throw error;
    }
  });
}
