import { isDigest, parseManifest } from "@containerkit/oci";
import { getManifest, headManifest } from "../_manifests.ts";
import type { Target } from "../_target.ts";
import { RegistryError } from "../registry_error.ts";
import { type Call, change } from "./_context.ts";
import { saveManifest } from "./_save_manifest.ts";

/** So much of the other registry's lists is told. */
const MAX_LISTED = 100_000;

/** How the registry behind this one is asked, if there is one. */
export function toTarget(call: Call): Target | undefined {
  const { upstream } = call.context;
  if (upstream === undefined) return undefined;
  // The client may leave: what was begun is for the next one. (To look at a request's `signal` makes Deno.serve() print a warning.)
  return { ...upstream, repository: call.repository.name };
}

/** What the other registry does not have is not there; any other trouble of it is hidden by what is here already. */
export function isMissing(error: unknown): boolean {
  return error instanceof RegistryError &&
    [401, 403, 404].includes(error.status);
}

/** Fetches a manifest that is not here, or whose tag moved. */
export async function pullManifest(
  call: Call,
  reference: string,
): Promise<void> {
  const target = toTarget(call);
  if (target === undefined) return;
  const { context, repository } = call;
  const isThere = async (digest: string) =>
    await repository.manifest(digest) !== undefined &&
    await context.store.stat(digest) !== undefined;
  const known = isDigest(reference)
    ? reference
    : await repository.tag(reference);
  if (isDigest(reference) && await isThere(reference)) return;
  try {
    const { digest } = isDigest(reference)
      ? { digest: reference }
      : await headManifest(target, reference);
    const note = (fetched?: Manifest) =>
      change(context, async () => {
        if (fetched !== undefined) await saveManifest(call, fetched);
        else if (!await isThere(digest)) return false;
        if (isDigest(reference)) return true;
        await context.locks.run(repository.name, async () => {
          // Not each time: it waits for the disk.
          if (await repository.tag(reference) === digest) return;
          await repository.setTag(reference, digest);
        });
        return true;
      });
    if (!await note()) await note(await fetchManifest(target, digest));
  } catch (error) {
    // Better the image of yesterday than none, while the other registry cannot be reached.
    if (isMissing(error) || (known !== undefined && await isThere(known))) {
      return;
    }
    throw error;
  }
}

type Manifest = Parameters<typeof saveManifest>[1];

async function fetchManifest(
  target: Target,
  digest: string,
): Promise<Manifest> {
  const { descriptor, bytes } = await getManifest(target, digest);
  const { subject } = parseManifest(bytes, { mediaType: descriptor.mediaType });
  return { descriptor, bytes, subject };
}

/**
 * What the other registry lists, beside what is here already.
 *
 * @param list Asks it.
 * @param hasOwn Whether there is something here: that is told while the other registry cannot be reached.
 */
export async function listBehind<T>(
  call: Call,
  list: (target: Target) => AsyncIterable<T>,
  hasOwn: boolean,
): Promise<T[]> {
  const target = toTarget(call);
  const found: T[] = [];
  if (target === undefined) return found;
  try {
    for await (const one of list(target)) {
      if (found.push(one) === MAX_LISTED) break;
    }
  } catch (error) {
    if (!isMissing(error) && !hasOwn) throw error;
  }
  return found;
}
