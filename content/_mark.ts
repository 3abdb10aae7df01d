import { breathe, type Context } from "./_context.ts";
import { Follower } from "./_follower.ts";
import { Labels } from "./_labelled.ts";
import { Kept } from "./_kept.ts";
import {
  type Cause,
  type Listed,
  type Node,
  NOWHERE,
  type Root,
} from "./_node.ts";
import {
  ANY,
  imageRoots,
  ingestRoots,
  leaseRoots,
  listedRoots,
} from "./_roots.ts";
import { listThings, referencesOf } from "./_listed.ts";
import type { Collectable } from "./collectable.ts";
import { containerdReferences } from "./containerd_references.ts";

const PAGE = 5000;

/** Options of {@linkcode Marker}. */
export interface MarkerOptions {
  /** The time at which leases and labels are judged. */
  readonly now: number;
  /** How long what was made outside of a lease is kept, in milliseconds. */
  readonly grace: number;
  /** How long what was partly written is kept, in milliseconds. */
  readonly ingestAge: number;
  readonly collectables: readonly Collectable[];
  readonly signal?: AbortSignal | undefined;
  /** Told of each thing that is kept, once, and why. */
  readonly onKeep?: ((node: Node, cause: Cause) => void) | undefined;
}

/**
 * Finds what is kept.
 *
 * It works while others write, in short steps. So what it finds may be old in parts, but every reference that is added
 * meanwhile raises the generation of what holds it, and {@linkcode remark} follows those: only what was garbage
 * at the beginning and still is stays unmarked.
 */
export class Marker {
  readonly #context: Context;
  readonly #options: MarkerOptions;
  /** The generation up to which everything is marked. */
  #generation = 0;
  readonly #kept: Kept;
  #follower: Follower | undefined;
  readonly #listed = new Map<string, Map<string, Listed>>();

  constructor(context: Context, options: MarkerOptions) {
    this.#context = context;
    this.#options = options;
    // Nothing is younger than NaN: all of it would go.
    for (const ms of [options.grace, options.ingestAge]) {
      if (ms >= 0) continue;
      throw new RangeError(
        `Cannot keep for ${ms} ms what nothing refers to: expected a number from 0`,
      );
    }
    this.#kept = new Kept(context, options.onKeep);
  }

  /** The things of another component, by id. */
  listed(type: string): ReadonlyMap<string, Listed> {
    return this.#listed.get(type) ?? new Map();
  }

  isBlobKept(namespace: number, digest: number): boolean {
    return this.#kept.isBlobKept(namespace, digest);
  }

  isKept(node: Node): boolean {
    return this.#kept.isKept(node);
  }

  /** Marks everything that is kept now. */
  async mark(): Promise<void> {
    const { state } = this.#context;
    this.#generation = Number(
      state.prepare("SELECT value FROM meta WHERE key = 'generation'").get()
        ?.value,
    );
    this.#kept.findNamespaces();
    for (const collectable of this.#options.collectables) {
      this.#listed.set(
        collectable.type,
        await listThings(collectable, this.#options.signal),
      );
    }
    const labels = new Labels(
      this.#context,
      this.#listed,
      this.#options.now,
    );
    this.#follower = await Follower.open(this.#context, {
      kept: this.#kept,
      labels,
      listed: this.#listed,
      isTold: this.#options.onKeep !== undefined,
    });
    this.#markImages(ANY);
    await this.#drain();
    this.#keepAll(leaseRoots(this.#context, this.#options.now, ANY));
    this.#markHeld();
    this.markIngests();
    this.#keepAll(labels.roots());
    this.#keepAll(listedRoots(this.#context, this.#listed, this.#options));
    await this.#drain();
    this.#follower.readAnew();
    for (;;) {
      const before = this.#generation;
      this.remark();
      if (this.#generation === before) return;
      await breathe();
    }
  }

  /**
   * Marks what was added since: in a transaction, nothing can be added behind its back.
   */
  remark(): void {
    const { state } = this.#context;
    const since = this.#generation;
    this.#generation = Number(
      state.prepare("SELECT value FROM meta WHERE key = 'generation'").get()
        ?.value,
    );
    if (this.#generation === since) return;
    this.#kept.findNamespaces();
    for (
      const row of state.prepare(
        "SELECT namespace, digest, labels FROM blobs WHERE generation > ?",
      ).all(since)
    ) {
      const [namespace, digest] = [Number(row.namespace), Number(row.digest)];
      this.#kept.keepBlob(namespace, digest, { cause: "it is new" });
      for (
        const reference of containerdReferences(JSON.parse(String(row.labels)))
          .references
      ) {
        this.#kept.keep({ namespace, ...reference }, { cause: "it is new" });
      }
      // It may have been expanded before it got what it refers to now.
      this.#kept.blobQueue.push([namespace, digest]);
    }
    this.#markImages(since);
    this.#keepAll(leaseRoots(this.#context, this.#options.now, since));
    for (
      const row of state.prepare(
        "SELECT namespace, target_type AS type, target AS id FROM refs WHERE generation > ?",
      ).all(since)
    ) {
      this.#kept.keep({
        namespace: Number(row.namespace),
        type: String(row.type),
        id: String(row.id),
      }, { cause: "the reference is new" });
    }
    this.#drainAll();
  }

  /**
   * Lists other components again and marks what is new or changed there. The lock is held, so nothing can be added behind its
   * back until it is let go.
   */
  async remarkListed(): Promise<void> {
    for (const collectable of this.#options.collectables) {
      const known = this.#listed.get(collectable.type)!;
      for await (const item of collectable.list()) {
        const old = known.get(item.id);
        if (
          old !== undefined &&
          old.item.created.getTime() === item.created.getTime() &&
          old.item.lease === item.lease &&
          (old.item.root ?? false) === (item.root ?? false)
        ) continue;
        known.set(item.id, {
          item,
          references: await referencesOf(collectable, item.id),
        });
        const node = {
          namespace: NOWHERE,
          type: collectable.type,
          id: item.id,
        };
        this.#kept.forget(node);
        this.#kept.keep(node, { cause: "it is new" });
      }
    }
    this.#drainAll();
  }

  /** Follows what was queued, in steps. */
  async #drain(): Promise<void> {
    while (this.#kept.isPending) {
      this.#options.signal?.throwIfAborted();
      this.#follower!.step(PAGE);
      await breathe();
    }
  }

  #drainAll(): void {
    while (this.#kept.isPending) this.#follower!.step(PAGE);
  }

  #markImages(since: number): void {
    const { now } = this.#options;
    for (const { node, references } of imageRoots(this.#context, now, since)) {
      if (since >= 0) {
        // It may stand for something else by now, and refer to other things.
        this.#kept.forget(node);
        for (const reference of references) {
          this.#kept.keep({ ...node, ...reference }, { cause: node });
        }
      }
      this.#kept.keep(node, { cause: "it is an image's name" });
    }
  }

  #keepAll(roots: Iterable<Root>): void {
    for (const { node, ...options } of roots) this.#kept.keep(node, options);
  }

  #markHeld(): void {
    const { now, grace } = this.#options;
    const rows = this.#context.state.prepare(
      "SELECT namespace, digest FROM blobs WHERE held > ?",
    ).all(Math.max(now - grace, 0));
    for (const { namespace, digest } of rows) {
      this.#kept.keepBlob(Number(namespace), Number(digest), {
        cause: "it was made or found a short time ago",
      });
    }
  }

  /** Marks what is being written, or can be resumed: also what has come up since. */
  markIngests(): void {
    const { now, ingestAge } = this.#options;
    this.#keepAll(ingestRoots(this.#context, now - ingestAge));
  }
}
