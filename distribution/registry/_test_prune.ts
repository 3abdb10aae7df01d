import { assertEquals } from "@std/assert";
import { type Descriptor, digestBytes, MediaType } from "@containerkit/oci";
import { type Api, type DataSet, REPOSITORY } from "./_test_api.ts";
import type { PrunableIndex } from "./mod.ts";

/** Makes everything as old as can be: no push counts on it. */
export async function age(index: PrunableIndex): Promise<void> {
  for (const digest of await index.folders("holders")) {
    for (const repository of await index.list(`holders/${digest}`)) {
      await index.set(`holders/${digest}/${repository}`, "0");
    }
  }
}

/** Everything an index says but when somebody counted on what, and of repositories that once were. */
export async function listIndex(index: PrunableIndex): Promise<string[]> {
  const keys: string[] = [];
  const walk = async (path: string) => {
    keys.push(...(await index.list(path)).map((key) => `${path}/${key}`));
    for (const part of await index.folders(path)) await walk(`${path}/${part}`);
  };
  await walk("holders");
  await walk("repositories");
  return keys;
}

/** Pulls all that manifests of a set need, as a client does. */
export async function pullSet(
  api: Api,
  set: DataSet,
  options: { repository?: string; manifests?: readonly Descriptor[] } = {},
): Promise<void> {
  const { repository = REPOSITORY, manifests } = options;
  const get = async (kind: string, digest: string) => {
    const path = `/v2/${repository}/${kind}/${digest}`;
    const { bytes } = await api.ask("GET", path, 200, {
      headers: { accept: "*/*" },
    });
    assertEquals(digestBytes(bytes), digest);
    return JSON.parse(
      kind === "blobs" ? "{}" : new TextDecoder().decode(bytes),
    );
  };
  const pullManifest = async (digest: string) => {
    const { manifests = [], config, layers = [] } = await get(
      "manifests",
      digest,
    );
    for (const { digest } of manifests) await pullManifest(digest);
    for (const { digest } of config ? [config, ...layers] : []) {
      await get("blobs", digest);
    }
  };
  for (
    const { digest } of manifests ??
      set.manifests.map(({ descriptor }) => descriptor)
  ) await pullManifest(digest);
}

/** An index of images. */
export function indexOf(
  set: DataSet,
  manifests: readonly Descriptor[],
  tag?: string,
): Descriptor {
  return set.manifest(MediaType.Index, { manifests }, tag);
}
