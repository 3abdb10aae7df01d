/** Pulls or pushes with a content store, for tests that kill it: `pull|push REFERENCE ROOT`. */
import { openStore } from "@containerkit/content";
import {
  fileUploadState,
  openImage,
  pull,
  push,
} from "@containerkit/distribution";

const [verb, reference, root] = Deno.args as [string, string, string];
using store = await openStore({ root });
if (verb === "pull") {
  await pull(reference, store);
} else {
  const { descriptor } = (await store.images.get("source"))!;
  await push(await openImage(store, descriptor), reference, {
    uploads: fileUploadState(`${root}/uploads`),
  });
}
