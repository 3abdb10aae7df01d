import { type Descriptor, isDigest } from "@containerkit/oci";
import type { PrunableIndex } from "./prunable_index.ts";
import type { RegistryIndex } from "./registry_index.ts";

/** What is kept of a manifest. */
export interface ManifestEntry {
  readonly mediaType: string;
  readonly size: number;
  readonly subject?: string;
}

/** Names of repositories as one part of a path: their grammar has no `~`. */
const flat = (repository: string) => repository.replaceAll("/", "~");

/** One repository of a registry: its manifests, tags, blobs and referrers. */
export class RepositoryIndex {
  readonly #index: RegistryIndex;
  readonly #path: string;
  readonly name: string;

  constructor(index: RegistryIndex, name: string) {
    this.#index = index;
    this.name = name;
    this.#path = `repositories/${flat(name)}`;
  }

  /** The names of all repositories. */
  static async names(index: RegistryIndex): Promise<string[]> {
    const names = await index.list("catalog");
    return names.map((name) => name.replaceAll("~", "/")).toSorted();
  }

  async exists(): Promise<boolean> {
    return await this.#index.get(`catalog/${flat(this.name)}`) !== undefined;
  }

  async manifest(digest: string): Promise<ManifestEntry | undefined> {
    const text = await this.#index.get(`${this.#path}/manifests/${digest}`);
    return text === undefined ? undefined : JSON.parse(text);
  }

  async setManifest(digest: string, entry: ManifestEntry): Promise<void> {
    await this.#index.set(
      `${this.#path}/manifests/${digest}`,
      JSON.stringify(entry),
    );
    await this.#hold(digest);
    await this.#index.set(`catalog/${flat(this.name)}`, "");
  }

  /** The digests of its manifests. */
  manifests(): Promise<string[]> {
    return this.#index.list(`${this.#path}/manifests`);
  }

  /** Removes a manifest, the tags that name it, and what it said of its subject. */
  async deleteManifest(digest: string): Promise<void> {
    for (const tag of await this.tags()) {
      if (await this.tag(tag) === digest) await this.deleteTag(tag);
    }
    await this.deleteUntagged(digest);
  }

  /** Removes a manifest that no tag names, and what it said of its subject. */
  async deleteUntagged(digest: string): Promise<void> {
    const entry = await this.manifest(digest);
    if (entry?.subject !== undefined) {
      await this.#index.delete(
        `${this.#path}/referrers/${entry.subject}/${digest}`,
      );
    }
    await this.#index.delete(`${this.#path}/manifests/${digest}`);
  }

  tag(tag: string): Promise<string | undefined> {
    return this.#index.get(`${this.#path}/tags/${tag}`);
  }

  setTag(tag: string, digest: string): Promise<void> {
    return this.#index.set(`${this.#path}/tags/${tag}`, digest);
  }

  deleteTag(tag: string): Promise<void> {
    return this.#index.delete(`${this.#path}/tags/${tag}`);
  }

  tags(): Promise<string[]> {
    return this.#index.list(`${this.#path}/tags`);
  }

  async hasBlob(digest: string): Promise<boolean> {
    return await this.heldSince(digest) !== undefined;
  }

  /** When it got a blob or a manifest, or told somebody last that it has it, in milliseconds of `Date.now()`. */
  async heldSince(digest: string): Promise<number | undefined> {
    const text = await this.#index.get(this.#holder(digest));
    // There was a time when nothing was written of it.
    return text === undefined ? undefined : Number(text) || 0;
  }

  setBlob(digest: string): Promise<void> {
    return this.#hold(digest);
  }

  /** Which repositories have which blobs and manifests. */
  static async allHolders(
    index: PrunableIndex,
    signal: AbortSignal | undefined,
  ): Promise<Map<string, string[]>> {
    const held = new Map<string, string[]>();
    for (const digest of await index.folders("holders")) {
      signal?.throwIfAborted();
      for (const name of await index.list(`holders/${digest}`)) {
        const repository = name.replaceAll("~", "/");
        const digests = held.get(repository) ?? [];
        held.set(repository, digests);
        digests.push(digest);
      }
    }
    return held;
  }

  /** Lets a blob go; gives whether no repository has it any more. */
  async deleteBlob(digest: string): Promise<boolean> {
    await this.#index.delete(this.#holder(digest));
    return (await this.holders(digest)).length === 0;
  }

  /** The repositories that have a blob. */
  async holders(digest: string): Promise<string[]> {
    const names = await this.#index.list(`holders/${digest}`);
    return names.map((name) => name.replaceAll("~", "/"));
  }

  setReferrer(subject: string, referrer: Descriptor): Promise<void> {
    return this.#index.set(
      `${this.#path}/referrers/${subject}/${referrer.digest}`,
      JSON.stringify(referrer),
    );
  }

  async referrers(subject: string): Promise<Descriptor[]> {
    const path = `${this.#path}/referrers/${subject}`;
    const list: Descriptor[] = [];
    for (const digest of await this.#index.list(path)) {
      const text = await this.#index.get(`${path}/${digest}`);
      if (text !== undefined && isDigest(digest)) list.push(JSON.parse(text));
    }
    return list;
  }

  #holder(digest: string): string {
    return `holders/${digest}/${flat(this.name)}`;
  }

  #hold(digest: string): Promise<void> {
    return this.#index.set(this.#holder(digest), String(Date.now()));
  }
}
