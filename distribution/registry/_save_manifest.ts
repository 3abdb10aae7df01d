import type { Descriptor } from "@containerkit/oci";
import { toReferrer } from "../_put_manifest.ts";
import { saveBlob } from "../_small_blobs.ts";
import type { Call } from "./_context.ts";

/** Puts a manifest into the store and the repository. */
export async function saveManifest(
  { context, repository }: Call,
  { descriptor, bytes, subject }: {
    readonly descriptor: Descriptor;
    readonly bytes: Uint8Array;
    readonly subject: Descriptor | undefined;
  },
): Promise<void> {
  const { digest, mediaType, size } = descriptor;
  await context.locks.run(digest, async () => {
    // Somebody may be fetching it as a blob, and for long: all other changes would wait too, once the index is pruned.
    const ref = `manifest-${digest.replace(":", "-")}`;
    await saveBlob(context.store, descriptor, bytes, { ref });
    await repository.setManifest(digest, {
      mediaType,
      size,
      ...(subject === undefined ? {} : { subject: subject.digest }),
    });
  });
  if (subject !== undefined) {
    await repository.setReferrer(subject.digest, toReferrer(descriptor, bytes));
  }
}
