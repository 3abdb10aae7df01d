import type { Context } from "./_context.ts";
import { type Listed, type Node, nodeKey, NOWHERE, place } from "./_node.ts";
import type { CollectableReference } from "./collectable.ts";
import {
  type ContainerdReferences,
  containerdReferences,
} from "./containerd_references.ts";

const ALL_GC_LABELS =
  "key >= 'containerd.io/gc.' AND key < 'containerd.io/gc/'";

/** A thing whose labels speak of garbage collection. */
interface Labelled {
  readonly node: Node;
  readonly said: ContainerdReferences;
}

function readLabelled(
  { state }: Context,
  listed: ReadonlyMap<string, ReadonlyMap<string, Listed>>,
): Labelled[] {
  const blobs = state.prepare(
    `SELECT namespace, digests.digest AS id, labels FROM blobs JOIN digests ON digests.id = blobs.digest
     WHERE blobs.id IN (SELECT owner FROM labels WHERE kind = 'blob' AND ${ALL_GC_LABELS})`,
  ).all().map((row) => ({ type: "blob", ...row }));
  const images = state.prepare(
    `SELECT namespace, name AS id, labels FROM images
     WHERE images.id IN (SELECT owner FROM labels WHERE kind = 'image' AND ${ALL_GC_LABELS})`,
  ).all().map((row) => ({ type: "image", ...row }));
  const own = [...blobs, ...images].map((row) => {
    const { type, namespace, id, labels } = row as unknown as Node & {
      labels: string;
    };
    return {
      node: { namespace, type, id },
      said: containerdReferences(JSON.parse(labels)),
    };
  });
  const others = [...listed].flatMap(([type, things]) =>
    [...things.values()].map(({ item }) => ({
      node: { namespace: NOWHERE, type, id: item.id },
      said: containerdReferences(item.labels ?? {}),
    }))
  );
  return [...own, ...others];
}

/** What labels say, by containerd's rules. */
export class Labels {
  readonly #now: number;
  readonly #nodes: readonly Labelled[];
  readonly #targets = new Map<string, CollectableReference[]>();

  constructor(
    context: Context,
    listed: ReadonlyMap<string, ReadonlyMap<string, Listed>>,
    now: number,
  ) {
    this.#now = now;
    this.#nodes = readLabelled(context, listed);
    const used = new Map<string, number>();
    for (const { node, said } of this.#nodes) {
      if (said.used !== undefined) used.set(nodeKey(node), said.used.getTime());
    }
    for (const { node, said } of this.#nodes) {
      for (const reference of said.references) this.#add(node, reference);
      for (const source of said.backReferences) {
        this.#add({ namespace: node.namespace, ...source }, node);
      }
      for (const { operator, age, ...target } of said.conditions) {
        const at = used.get(nodeKey({ namespace: NOWHERE, ...target }));
        if (at === undefined) continue;
        const recent = now - at < age;
        if (recent === (operator === "<")) this.#add(node, target);
      }
    }
  }

  #add(source: Node, target: CollectableReference): void {
    const key = nodeKey(place(source));
    const list = this.#targets.get(key);
    if (list === undefined) this.#targets.set(key, [target]);
    else list.push(target);
  }

  /** What a thing keeps. */
  targets(node: Node): readonly CollectableReference[] {
    return this.#targets.get(nodeKey(node)) ?? [];
  }

  /** The digests of the blobs that keep something. */
  sources(): string[] {
    return [...this.#targets.keys()]
      .map((key) => /^\d+ blob (.*)$/.exec(key)?.[1])
      .filter((digest) => digest !== undefined);
  }

  /** What is kept for its own sake, and why. */
  *roots(): Iterable<{ node: Node; cause: string }> {
    for (const { node, said } of this.#nodes) {
      if (said.root) {
        yield { node, cause: 'label "containerd.io/gc.root" is set' };
      } else if (
        node.type !== "image" && said.expires !== undefined &&
        said.expires.getTime() > this.#now
      ) {
        yield {
          node,
          cause: 'label "containerd.io/gc.expire" is in the future',
        };
      }
    }
  }
}
