/**
 * What containerd's labels keep.
 *
 * @module
 */

import type { CollectableReference } from "./collectable.ts";

/** What the labels of a thing say about garbage collection. */
export interface ContainerdReferences {
  /** Whether it is kept for its own sake (`gc.root`). */
  readonly root: boolean;
  /** Whether a lease keeps only what it names, and not what that refers to (`gc.flat`). */
  readonly flat: boolean;
  /** When it may be collected (`gc.expire`): an image from then on, anything else is kept until then. */
  readonly expires?: Date;
  /** What it keeps (`gc.ref.*`). */
  readonly references: readonly CollectableReference[];
  /** What keeps it (`gc.bref.*`). */
  readonly backReferences: readonly CollectableReference[];
  /** What keeps it if that was used lately, or not (`gc.cond.*`). */
  readonly conditions: readonly ContainerdCondition[];
  /** When it was last used (`gc.cond.value-usedat`). */
  readonly used?: Date;
}

/** A thing that keeps another one depending on when it was last used. */
export interface ContainerdCondition extends CollectableReference {
  /** Whether it must have been used within the time, or before. */
  readonly operator: "<" | ">";
  /** The time before now, in milliseconds. */
  readonly age: number;
}

const PREFIX = "containerd.io/gc.";
const OURS: Readonly<Record<string, string>> = { content: "blob" };
const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
};

/** The reference of a key such as `content.l.0`, `snapshot.overlay/x` or `image/a`. */
function readReference(
  key: string,
  value: string,
): CollectableReference | undefined {
  const [, kind, rest = ""] = /^([^./]+)(.*)$/.exec(key) ?? [];
  if (kind === undefined) return undefined;
  if (kind !== "snapshot") return { type: OURS[kind] ?? kind, id: value };
  const snapshotter = rest.slice(1).split("/")[0]!;
  return rest.startsWith(".") && snapshotter !== ""
    ? { type: `snapshot/${snapshotter}`, id: value }
    : undefined;
}

/** A Go duration, such as `1h30m`, in milliseconds. */
function readDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) {
    sum += Number(count) * UNITS[unit!]!;
  }
  return sum;
}

function readConditions(key: string, value: string): ContainerdCondition[] {
  const snapshotter = key.replace(/^[./]+/, "").split("/")[0]!;
  const bar = value.indexOf("|");
  if (bar < 0) return [];
  return value.slice(0, bar).split(",").flatMap((term) => {
    const [, operator, duration] = /^usedat([<>])(.*)$/.exec(term) ?? [];
    const age = readDuration(duration ?? "");
    return age === undefined ? [] : [{
      type: `snapshot/${snapshotter}`,
      id: value.slice(bar + 1),
      operator: operator as "<" | ">",
      age,
    }];
  });
}

function readDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/**
 * Reads the labels by which containerd says what garbage collection keeps, so that a store filled by its rules is collected by
 * them. Snapshots are of the type `snapshot/<snapshotter>`.
 *
 * @param labels The labels of a blob, an image, a lease or a thing of another component.
 * @returns What they mean; labels that are none of these or make no sense mean nothing.
 *
 * @see https://github.com/containerd/containerd/blob/main/docs/garbage-collection.md
 *
 * @example Usage
 * ```ts
 * import { containerdReferences } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const { root, references } = containerdReferences({
 *   "containerd.io/gc.ref.snapshot.overlay": "base",
 * });
 * assertEquals(root, false);
 * assertEquals(references, [{ type: "snapshot/overlay", id: "base" }]);
 * ```
 */
export function containerdReferences(
  labels: Readonly<Record<string, string>>,
): ContainerdReferences {
  const references: CollectableReference[] = [];
  const backReferences: CollectableReference[] = [];
  const conditions: ContainerdCondition[] = [];
  for (const [label, value] of Object.entries(labels)) {
    if (!label.startsWith(PREFIX)) continue;
    const key = label.slice(PREFIX.length);
    if (key.startsWith("ref.")) {
      const found = readReference(key.slice("ref.".length), value);
      if (found !== undefined) references.push(found);
    } else if (key.startsWith("bref.")) {
      const found = readReference(key.slice("bref.".length), value);
      if (found !== undefined) backReferences.push(found);
    } else if (key.startsWith("cond.snapshot")) {
      conditions.push(
        ...readConditions(key.slice("cond.snapshot".length), value),
      );
    }
  }
  const expires = readDate(labels[`${PREFIX}expire`]);
  const used = readDate(labels[`${PREFIX}cond.value-usedat`]);
  return {
    root: labels[`${PREFIX}root`] !== undefined,
    flat: labels[`${PREFIX}flat`] !== undefined,
    ...(expires === undefined ? {} : { expires }),
    references,
    backReferences,
    conditions,
    ...(used === undefined ? {} : { used }),
  };
}
