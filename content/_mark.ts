import { Bits } from "./_bits.ts";
import { breathe, type Context } from "./_context.ts";
import { type EdgeTable, loadEdges } from "./_edge_table.ts";
import { Labels } from "./_labelled.ts";
import {
  type Cause,
  isOwn,
  type Listed,
  type Node,
  nodeKey,
  NOWHERE,
  place,
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
  #edges: EdgeTable | undefined;
  readonly #kept = new Map<number, Bits>();
  readonly #expanded = new Map<number, Bits>();
  /** Things that are no blobs: whether only they themselves are kept. */
  readonly #others = new Map<string, boolean>();
  readonly #queue: (readonly [node: Node, flat: boolean])[] = [];
  readonly #blobQueue: (readonly [namespace: number, digest: number])[] = [];
  #labels: Labels | undefined;
  /** Digests of which references are stated, or labels say some; `undefined` is any. */
  #stated: Set<number> | undefined;
  readonly #listed = new Map<string, Map<string, Listed>>();
  #namespaces: readonly number[] = [];

  constructor(context: Context, options: MarkerOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** The things of another component, by id. */
  listed(type: string): ReadonlyMap<string, Listed> {
    return this.#listed.get(type) ?? new Map();
  }

  isBlobKept(namespace: number, digest: number): boolean {
    return this.#kept.get(namespace)?.has(digest) ?? false;
  }

  isKept(node: Node): boolean {
    return this.#others.has(nodeKey(node));
  }

  /** Marks everything that is kept now. */
  async mark(): Promise<void> {
    const { state } = this.#context;
    this.#generation = Number(
      state.prepare("SELECT value FROM meta WHERE key = 'generation'").get()
        ?.value,
    );
    this.#namespaces = state.prepare("SELECT id FROM namespaces").all()
      .map(({ id }) => Number(id));
    this.#edges = await loadEdges(this.#context);
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
    this.#labels = labels;
    this.#findStated();
    this.#markImages(ANY);
    await this.#drain();
    this.#keepAll(leaseRoots(this.#context, this.#options.now, ANY));
    this.#markHeld();
    this.markIngests();
    this.#keepAll(labels.roots());
    this.#keepAll(listedRoots(this.#context, this.#listed, this.#options));
    await this.#drain();
    // From here on what is new is read from the database.
    this.#edges = undefined;
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
    this.#namespaces = state.prepare("SELECT id FROM namespaces").all()
      .map(({ id }) => Number(id));
    for (
      const row of state.prepare(
        "SELECT namespace, digest, labels FROM blobs WHERE generation > ?",
      ).all(since)
    ) {
      const [namespace, digest] = [Number(row.namespace), Number(row.digest)];
      this.#keepBlob(namespace, digest, { cause: "it is new" });
      for (
        const reference of containerdReferences(JSON.parse(String(row.labels)))
          .references
      ) {
        this.#keep({ namespace, ...reference }, { cause: "it is new" });
      }
      // It may have been expanded before it got what it refers to now.
      this.#blobQueue.push([namespace, digest]);
    }
    this.#markImages(since);
    this.#keepAll(leaseRoots(this.#context, this.#options.now, since));
    for (
      const row of state.prepare(
        "SELECT namespace, target_type AS type, target AS id FROM refs WHERE generation > ?",
      ).all(since)
    ) {
      this.#keep({
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
          old.item.lease === item.lease
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
        this.#others.delete(nodeKey(node));
        this.#keep(node, { cause: "it is new" });
      }
    }
    this.#drainAll();
  }

  #keepBlob(
    namespace: number,
    digest: number,
    options: { cause: Cause; flat?: boolean },
  ): void {
    let kept = this.#kept.get(namespace);
    let expanded = this.#expanded.get(namespace);
    if (kept === undefined || expanded === undefined) {
      this.#kept.set(namespace, kept = new Bits());
      this.#expanded.set(namespace, expanded = new Bits());
    }
    if (kept.add(digest) && this.#options.onKeep !== undefined) {
      this.#options.onKeep(this.#blobNode(namespace, digest), options.cause);
    }
    if (options.flat !== true && expanded.add(digest)) {
      this.#blobQueue.push([namespace, digest]);
    }
  }

  #blobNode(namespace: number, digest: number): Node {
    const row = this.#context.state.prepare(
      "SELECT digest FROM digests WHERE id = ?",
    ).get(digest);
    return { namespace, type: "blob", id: String(row?.digest) };
  }

  #keep(node: Node, options: { cause: Cause; flat?: boolean }): void {
    if (isOwn(node.type) && node.namespace === NOWHERE) {
      // What another component refers to is kept wherever it shows.
      for (const namespace of this.#namespaces) {
        this.#keep({ ...node, namespace }, options);
      }
      return;
    }
    if (node.type === "blob") {
      const row = this.#context.state.prepare(
        "SELECT id FROM digests WHERE digest = ?",
      ).get(node.id);
      if (row !== undefined) {
        this.#keepBlob(node.namespace, Number(row.id), options);
      }
      return;
    }
    const { cause, flat = false } = options;
    const placed = place(node);
    const key = nodeKey(placed);
    const before = this.#others.get(key);
    if (before === undefined) this.#options.onKeep?.(placed, cause);
    // What was kept flat may turn out to be kept with all it refers to.
    if (before === false || (before === true && flat)) return;
    this.#others.set(key, flat);
    this.#queue.push([placed, flat]);
  }

  /** Follows what was queued, in steps. */
  async #drain(): Promise<void> {
    while (this.#queue.length + this.#blobQueue.length > 0) {
      this.#options.signal?.throwIfAborted();
      this.#step(PAGE);
      await breathe();
    }
  }

  #drainAll(): void {
    while (this.#queue.length + this.#blobQueue.length > 0) this.#step(PAGE);
  }

  #step(count: number): void {
    for (let done = 0; done < count; done++) {
      const blob = this.#blobQueue.pop();
      if (blob !== undefined) {
        this.#expandBlob(...blob);
        continue;
      }
      const other = this.#queue.pop();
      if (other === undefined) return;
      this.#expand(...other);
    }
  }

  #children(digest: number): Iterable<number> {
    return this.#edges?.children(digest) ??
      this.#context.state.prepare("SELECT child FROM edges WHERE parent = ?")
        .all(digest).map(({ child }) => Number(child));
  }

  #expandBlob(namespace: number, digest: number): void {
    const cause = this.#options.onKeep === undefined
      ? ""
      : this.#blobNode(namespace, digest);
    for (const child of this.#children(digest)) {
      this.#keepBlob(namespace, child, { cause });
    }
    if (this.#stated === undefined || this.#stated.has(digest)) {
      this.#expandStated(this.#blobNode(namespace, digest));
    }
  }

  /** Follows what a thing is made of, and unless it is kept flat what it refers to. */
  #expand(node: Node, flat: boolean): void {
    const { namespace, type, id } = node;
    if (!flat) this.#expandStated(node);
    if (type === "image") {
      const row = this.#context.state.prepare(
        "SELECT digest FROM images WHERE namespace = ? AND name = ?",
      ).get(namespace, id);
      if (row !== undefined) {
        this.#keepBlob(namespace, Number(row.digest), { cause: node, flat });
      }
    } else if (type === "ingest") {
      const row = this.#context.state.prepare(
        "SELECT expected FROM ingests WHERE namespace = ? AND ref = ?",
      ).get(namespace, id);
      if (typeof row?.expected === "string") {
        this.#keep({ namespace, type: "blob", id: row.expected }, {
          cause: node,
        });
      }
    } else {
      for (
        const reference of this.#listed.get(type)?.get(id)?.references ?? []
      ) {
        this.#keep({ namespace: NOWHERE, ...reference }, { cause: node, flat });
      }
    }
  }

  #expandStated(node: Node): void {
    if (node.namespace !== NOWHERE) {
      for (
        const { type, id } of this.#context.state.prepare(
          `SELECT target_type AS type, target AS id FROM refs
           WHERE namespace = ? AND source_type = ? AND source = ?`,
        ).all(node.namespace, node.type, node.id)
      ) {
        this.#keep({
          namespace: node.namespace,
          type: String(type),
          id: String(id),
        }, { cause: node });
      }
    }
    for (const reference of this.#labels?.targets(node) ?? []) {
      this.#keep({ namespace: node.namespace, ...reference }, { cause: node });
    }
  }

  #markImages(since: number): void {
    const { now } = this.#options;
    for (const { node, references } of imageRoots(this.#context, now, since)) {
      if (since >= 0) {
        // It may stand for something else by now, and refer to other things.
        this.#others.delete(nodeKey(node));
        for (const reference of references) {
          this.#keep({ ...node, ...reference }, { cause: node });
        }
      }
      this.#keep(node, { cause: "it is an image's name" });
    }
  }

  #keepAll(roots: Iterable<Root>): void {
    for (const { node, ...options } of roots) this.#keep(node, options);
  }

  #markHeld(): void {
    const { now, grace } = this.#options;
    const rows = this.#context.state.prepare(
      "SELECT namespace, digest FROM blobs WHERE held > ?",
    ).all(Math.max(now - grace, 0));
    for (const { namespace, digest } of rows) {
      this.#keepBlob(Number(namespace), Number(digest), {
        cause: "it was made or found a short time ago",
      });
    }
  }

  /** Marks what is being written, or can be resumed: also what has come up since. */
  markIngests(): void {
    const { now, ingestAge } = this.#options;
    this.#keepAll(ingestRoots(this.#context, now - ingestAge));
  }

  /** Finds the blobs that keep something besides what their content refers to. */
  #findStated(): void {
    const { state } = this.#context;
    const find = state.prepare("SELECT id FROM digests WHERE digest = ?");
    const stated = state.prepare(
      "SELECT DISTINCT digests.id FROM refs JOIN digests ON digests.digest = source WHERE source_type = 'blob'",
    ).all();
    this.#stated = new Set([
      ...stated.map(({ id }) => Number(id)),
      ...this.#labels!.sources().map((digest) => Number(find.get(digest)?.id)),
    ]);
  }
}
