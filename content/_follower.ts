import type { Context } from "./_context.ts";
import { type EdgeTable, loadEdges } from "./_edge_table.ts";
import type { Kept } from "./_kept.ts";
import type { Labels } from "./_labelled.ts";
import { type Listed, type Node, NOWHERE } from "./_node.ts";

/** What a {@linkcode Follower} knows. */
export interface FollowerParts {
  readonly kept: Kept;
  readonly labels: Labels;
  /** The things of other components, by type and id. */
  readonly listed: ReadonlyMap<string, ReadonlyMap<string, Listed>>;
  /** Whether it has to be told why each thing is kept. */
  readonly isTold: boolean;
}

/** Keeps what the things refer to that are kept. */
export class Follower {
  readonly #context: Context;
  readonly #parts: FollowerParts;
  #edges: EdgeTable | undefined;
  /** Digests of which references are stated, or labels say some. */
  readonly #stated: ReadonlySet<number>;

  private constructor(
    context: Context,
    parts: FollowerParts,
    edges: EdgeTable,
  ) {
    this.#context = context;
    this.#parts = parts;
    this.#edges = edges;
    this.#stated = this.#findStated();
  }

  static async open(
    context: Context,
    parts: FollowerParts,
  ): Promise<Follower> {
    return new Follower(context, parts, await loadEdges(context));
  }

  /** Finds the blobs that keep something besides what their content refers to. */
  #findStated(): Set<number> {
    const { state } = this.#context;
    const find = state.prepare("SELECT id FROM digests WHERE digest = ?");
    const stated = state.prepare(
      "SELECT DISTINCT digests.id FROM refs JOIN digests ON digests.digest = source WHERE source_type = 'blob'",
    ).all();
    const { labels } = this.#parts;
    return new Set([
      ...stated.map(({ id }) => Number(id)),
      ...labels.sources().map((digest) => Number(find.get(digest)?.id)),
    ]);
  }

  /** From here on what is new is read from the database. */
  readAnew(): void {
    this.#edges = undefined;
  }

  /** Follows so many things, or all there are. */
  step(count: number): void {
    const { kept } = this.#parts;
    for (let done = 0; done < count; done++) {
      const blob = kept.blobQueue.pop();
      if (blob !== undefined) {
        this.#followBlob(...blob);
        continue;
      }
      const other = kept.queue.pop();
      if (other === undefined) return;
      this.#follow(...other);
    }
  }

  #children(digest: number): Iterable<number> {
    return this.#edges?.children(digest) ??
      this.#context.state.prepare("SELECT child FROM edges WHERE parent = ?")
        .all(digest).map(({ child }) => Number(child));
  }

  #followBlob(namespace: number, digest: number): void {
    const { kept, isTold } = this.#parts;
    const cause = isTold ? kept.blobNode(namespace, digest) : "";
    for (const child of this.#children(digest)) {
      kept.keepBlob(namespace, child, { cause });
    }
    if (this.#stated.has(digest)) {
      this.#followStated(kept.blobNode(namespace, digest));
    }
  }

  /** Follows what a thing is made of, and unless it is kept flat what it refers to. */
  #follow(node: Node, flat: boolean): void {
    const { kept, listed } = this.#parts;
    const { namespace, type, id } = node;
    const { state } = this.#context;
    if (!flat) this.#followStated(node);
    if (type === "image") {
      const row = state.prepare(
        "SELECT digest FROM images WHERE namespace = ? AND name = ?",
      ).get(namespace, id);
      if (row === undefined) return;
      kept.keepBlob(namespace, Number(row.digest), { cause: node, flat });
    } else if (type === "ingest") {
      const row = state.prepare(
        "SELECT expected FROM ingests WHERE namespace = ? AND ref = ?",
      ).get(namespace, id);
      if (typeof row?.expected !== "string") return;
      const blob = { namespace, type: "blob", id: row.expected };
      kept.keep(blob, { cause: node });
    } else {
      for (const reference of listed.get(type)?.get(id)?.references ?? []) {
        kept.keep({ namespace: NOWHERE, ...reference }, { cause: node, flat });
      }
    }
  }

  #followStated(node: Node): void {
    const { kept, labels } = this.#parts;
    const { namespace } = node;
    if (namespace !== NOWHERE) {
      for (
        const { type, id } of this.#context.state.prepare(
          `SELECT target_type AS type, target AS id FROM refs
           WHERE namespace = ? AND source_type = ? AND source = ?`,
        ).all(namespace, node.type, node.id)
      ) {
        const target = { namespace, type: String(type), id: String(id) };
        kept.keep(target, { cause: node });
      }
    }
    for (const reference of labels.targets(node)) {
      kept.keep({ namespace, ...reference }, { cause: node });
    }
  }
}
