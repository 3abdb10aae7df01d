import { parseManifest } from "@containerkit/oci";
import { readBlob } from "../_read_blob.ts";
import type { RepositoryIndex } from "./_repository_index.ts";
import type { RegistryStore } from "./registry_store.ts";

/** What a manifest says of other content. */
interface Relations {
  readonly lists: readonly string[];
  readonly subject: string | undefined;
}

/** What one repository needs. */
export interface Needed {
  /** The digests. */
  readonly digests: ReadonlySet<string>;
  /** Puts what is not needed in the order in which it can go: what leads to something before that. */
  order(unneeded: Iterable<string>): string[];
}

/** Options of {@linkcode Needs}. */
export interface NeedsOptions {
  readonly store: RegistryStore;
  /** Whether a manifest needs a tag, or to be reached from one. */
  readonly untagged: boolean;
  /** Content that somebody counted on after this time is needed, in milliseconds of `Date.now()`. */
  readonly since: number;
  readonly signal: AbortSignal | undefined;
}

/** Finds what the repositories of a registry need. */
export class Needs {
  readonly #options: NeedsOptions;
  /** By the digests of manifests, which never say anything else. */
  readonly #relations = new Map<string, Relations>();

  constructor(options: NeedsOptions) {
    this.#options = options;
  }

  /** Whether somebody counts on content of a repository, whatever leads to it. */
  async isFresh(repository: RepositoryIndex, digest: string): Promise<boolean> {
    return (await repository.heldSince(digest) ?? 0) > this.#options.since;
  }

  /**
   * What a repository needs: its tags, the manifests that are there for their own sake, what these list, and what has one of
   * them as its subject.
   */
  async of(repository: RepositoryIndex): Promise<Needed> {
    const leads = await this.#leads(repository);
    const digests = new Set<string>();
    const need = (root: string) => {
      for (const digest of walk(root, leads, digests)) digests.add(digest);
    };
    for (const tag of await repository.tags()) {
      const digest = await repository.tag(tag);
      if (digest !== undefined) need(digest);
    }
    for (const digest of await repository.manifests()) {
      if (digests.has(digest)) continue;
      const { untagged } = this.#options;
      if (!untagged || await this.isFresh(repository, digest)) need(digest);
    }
    return {
      digests,
      order(unneeded) {
        const order = new Set<string>();
        for (const digest of unneeded) {
          for (const one of walk(digest, leads, order)) order.add(one);
        }
        // What is walked ends with where it began.
        const isUnneeded = new Set(unneeded);
        return [...order].toReversed().filter((one) => isUnneeded.has(one));
      },
    };
  }

  /** What the manifests of a repository lead to: what they list, and those of which they are the subject. */
  async #leads(
    repository: RepositoryIndex,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const leads = new Map<string, string[]>();
    // One may be the subject of as many as anybody pushes.
    const add = (digest: string, more: readonly string[]) => {
      const known = leads.get(digest);
      if (known === undefined) leads.set(digest, [...more]);
      else for (const one of more) known.push(one);
    };
    for (const digest of await repository.manifests()) {
      const { lists, subject } = await this.#read(repository, digest);
      add(digest, lists);
      if (subject !== undefined) add(subject, [digest]);
    }
    return leads;
  }

  async #read(repository: RepositoryIndex, digest: string): Promise<Relations> {
    const known = this.#relations.get(digest);
    if (known !== undefined) return known;
    const { store, signal } = this.#options;
    signal?.throwIfAborted();
    const entry = await repository.manifest(digest);
    // It was deleted a moment ago.
    if (entry === undefined) return { lists: [], subject: undefined };
    const { mediaType, size } = entry;
    const bytes = await readBlob(store, { digest, mediaType, size }, {
      limit: size,
      signal,
    });
    const document = parseManifest(bytes, { mediaType });
    const listed = "manifests" in document
      ? document.manifests
      : [document.config, ...document.layers];
    const relations = {
      lists: listed.map(({ digest }) => digest),
      subject: document.subject?.digest,
    };
    this.#relations.set(digest, relations);
    return relations;
  }
}

/** What something leads to and is not known yet, each after all that it leads to: no manifest can lead to itself. */
function* walk(
  root: string,
  leads: ReadonlyMap<string, readonly string[]>,
  known: ReadonlySet<string>,
): Iterable<string> {
  const seen = new Set<string>();
  const path = [{ digest: root, next: 0 }];
  while (path.length > 0) {
    const at = path.at(-1)!;
    const digest = leads.get(at.digest)?.[at.next++];
    if (digest === undefined) {
      path.pop();
      if (!known.has(at.digest)) yield at.digest;
    } else if (!known.has(digest) && !seen.has(digest)) {
      seen.add(digest);
      path.push({ digest, next: 0 });
    }
  }
}
