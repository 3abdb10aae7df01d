import { Bits } from "./_bits.ts";
import type { Context } from "./_context.ts";
import {
  type Cause,
  isOwn,
  type Node,
  nodeKey,
  NOWHERE,
  place,
} from "./_node.ts";

/** Why something is kept, and whether without what it refers to. */
export interface KeepOptions {
  readonly cause: Cause;
  readonly flat?: boolean;
}

/** What is kept as far as it was found, and what of it has not been followed yet. */
export class Kept {
  readonly #context: Context;
  readonly #onKeep: ((node: Node, cause: Cause) => void) | undefined;
  readonly #blobs = new Map<number, Bits>();
  /** Those of them whose references count too. */
  readonly #expanded = new Map<number, Bits>();
  /** Things that are no blobs: whether only they themselves are kept. */
  readonly #others = new Map<string, boolean>();
  #namespaces: readonly number[] = [];
  /** To be followed. */
  readonly queue: (readonly [node: Node, flat: boolean])[] = [];
  readonly blobQueue: (readonly [namespace: number, digest: number])[] = [];

  /** @param onKeep Told of each thing, once. */
  constructor(
    context: Context,
    onKeep: ((node: Node, cause: Cause) => void) | undefined,
  ) {
    this.#context = context;
    this.#onKeep = onKeep;
  }

  get isPending(): boolean {
    return this.queue.length + this.blobQueue.length > 0;
  }

  isBlobKept(namespace: number, digest: number): boolean {
    return this.#blobs.get(namespace)?.has(digest) ?? false;
  }

  isKept(node: Node): boolean {
    return this.#others.has(nodeKey(node));
  }

  /** Has a thing followed again when it is kept the next time. */
  forget(node: Node): void {
    this.#others.delete(nodeKey(node));
  }

  /** Looks which namespaces there are by now. */
  findNamespaces(): void {
    this.#namespaces = this.#context.state.prepare("SELECT id FROM namespaces")
      .all().map(({ id }) => Number(id));
  }

  blobNode(namespace: number, digest: number): Node {
    const row = this.#context.state.prepare(
      "SELECT digest FROM digests WHERE id = ?",
    ).get(digest);
    return { namespace, type: "blob", id: String(row?.digest) };
  }

  keepBlob(namespace: number, digest: number, options: KeepOptions): void {
    let kept = this.#blobs.get(namespace);
    let expanded = this.#expanded.get(namespace);
    if (kept === undefined || expanded === undefined) {
      this.#blobs.set(namespace, kept = new Bits());
      this.#expanded.set(namespace, expanded = new Bits());
    }
    if (kept.add(digest) && this.#onKeep !== undefined) {
      this.#onKeep(this.blobNode(namespace, digest), options.cause);
    }
    if (options.flat !== true && expanded.add(digest)) {
      this.blobQueue.push([namespace, digest]);
    }
  }

  keep(node: Node, options: KeepOptions): void {
    if (isOwn(node.type) && node.namespace === NOWHERE) {
      // What another component refers to is kept wherever it shows.
      for (const namespace of this.#namespaces) {
        this.keep({ ...node, namespace }, options);
      }
      return;
    }
    if (node.type === "blob") {
      const row = this.#context.state.prepare(
        "SELECT id FROM digests WHERE digest = ?",
      ).get(node.id);
      if (row !== undefined) {
        this.keepBlob(node.namespace, Number(row.id), options);
      }
      return;
    }
    const { cause, flat = false } = options;
    const placed = place(node);
    const key = nodeKey(placed);
    const before = this.#others.get(key);
    if (before === undefined) this.#onKeep?.(placed, cause);
    // What was kept flat may turn out to be kept with all it refers to.
    if (before === false || (before === true && flat)) return;
    this.#others.set(key, flat);
    this.queue.push([placed, flat]);
  }
}
