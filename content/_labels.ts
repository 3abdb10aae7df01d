import type { Context } from "./_context.ts";

/** Free text by key. */
export type Labels = Readonly<Record<string, string>>;

const LONGEST_LABEL = 4096;
const MOST_LABELS = 1024;

/** @throws {RangeError} If a key or value is too long, or there are too many. */
export function checkLabels(labels: Labels): void {
  const entries = Object.entries(labels);
  if (entries.length > MOST_LABELS) {
    throw new RangeError(
      `Cannot set ${entries.length} labels: there may be ${MOST_LABELS}`,
    );
  }
  for (const [key, value] of entries) {
    if (typeof value !== "string") {
      throw new TypeError(
        `Cannot set label ${JSON.stringify(key)}: its value is not a string`,
      );
    }
    if (key === "" || key.length + value.length > LONGEST_LABEL) {
      throw new RangeError(
        `Cannot set label ${
          JSON.stringify(key.slice(0, 64))
        }: key and value may have 1 to ${LONGEST_LABEL} characters together`,
      );
    }
  }
}

/** The label that the parts of a filter's field name, if it is set. */
export function labelOf(
  labels: Labels,
  parts: readonly string[],
): string | undefined {
  const key = parts.join(".");
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** Brings the index of labels up to date. Part of the transaction that changes the owner's row. */
export function indexLabels(
  { state }: Context,
  owner: { kind: "blob" | "image" | "lease"; id: number },
  change: { from: Labels; to: Labels },
): void {
  const { from, to } = change;
  const remove = state.prepare(
    "DELETE FROM labels WHERE kind = ? AND key = ? AND value = ? AND owner = ?",
  );
  for (const [key, value] of Object.entries(from)) {
    if (to[key] !== value) remove.run(owner.kind, key, value, owner.id);
  }
  const add = state.prepare("INSERT INTO labels VALUES (?, ?, ?, ?)");
  for (const [key, value] of Object.entries(to)) {
    if (from[key] !== value) add.run(owner.kind, key, value, owner.id);
  }
}

/** What labels become: all of them replaced, or some set and (by `null`) removed. */
export function changeLabels(
  from: Labels,
  changes: Readonly<Record<string, string | null>>,
  replace: boolean,
): Labels {
  const to: Record<string, string> = replace ? {} : { ...from };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete to[key];
    else to[key] = value;
  }
  checkLabels(to);
  return to;
}
