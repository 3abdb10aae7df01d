import type { CollectableItem, CollectableReference } from "./collectable.ts";

/** A thing within a namespace; those of other components are in none. */
export interface Node extends CollectableReference {
  readonly namespace: number;
}

/** What keeps a thing: another one, or the reason why it is a root. */
export type Cause = Node | string;

/** A thing that is kept whatever refers to it. */
export interface Root {
  readonly node: Node;
  readonly cause: Cause;
  /** Whether only the thing itself is. */
  readonly flat?: boolean;
}

/** A thing of another component, as it was when it was listed. */
export interface Listed {
  readonly item: CollectableItem;
  readonly references: readonly CollectableReference[];
}

/** Things of other components are in no namespace. */
export const NOWHERE = 0;

const OWN: readonly string[] = ["blob", "image", "ingest"];

/** Whether things of a type are the content store's own. */
export function isOwn(type: string): boolean {
  return OWN.includes(type);
}

/** A thing where it belongs. */
export function place(node: Node): Node {
  return isOwn(node.type) ? node : { ...node, namespace: NOWHERE };
}

export function nodeKey({ namespace, type, id }: Node): string {
  return `${namespace} ${type} ${id}`;
}
