import type { StatementSync } from "node:sqlite";
import type { BlobRow } from "./_blobs.ts";
import { breathe, type Context } from "./_context.ts";
import { type Fields, type Filter, matches, parseFilters } from "./_filter.ts";
import { labelOf } from "./_labels.ts";
import type { BlobInfo, ListBlobsOptions } from "./store.ts";

const PAGE = 2000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A row as the store's users see it. */
export function toInfo(digest: string, row: ShownRow): BlobInfo {
  const { size, mediaType, labels, created, updated, verified, damaged } = row;
  // By assignment: to spread what may not be there takes longer than all the rest.
  const info: Mutable<BlobInfo> = {
    digest,
    size,
    labels: labels === "{}" ? {} : JSON.parse(labels),
    created: new Date(created),
    updated: new Date(updated),
  };
  if (mediaType !== null) info.mediaType = mediaType;
  if (verified !== null) info.verified = new Date(verified);
  if (damaged !== null) info.damaged = damaged;
  return info;
}

function fieldsOf(info: BlobInfo): Fields {
  return ([name, ...rest]) => {
    if (name === "digest") return info.digest;
    if (name === "size") return String(info.size);
    if (name === "mediatype") return info.mediaType;
    return name === "labels" ? labelOf(info.labels, rest) : undefined;
  };
}

/** A condition that an index answers, and its parameters. */
interface Anchor {
  readonly sql: string;
  readonly values: readonly string[];
}

const LABEL = "SELECT owner FROM labels WHERE kind = 'blob' AND key = ?";

/** The part of a filter that an index answers, if it has one. */
function findAnchor(filter: Filter): Anchor | undefined {
  const labels = filter.filter(({ path }) =>
    path[0] === "labels" && path.length > 1
  ).map((term) => ({ ...term, key: term.path.slice(1).join(".") }));
  const digest = filter.find(({ path, operator }) =>
    path.length === 1 && path[0] === "digest" && operator === "=="
  );
  if (digest !== undefined) {
    return {
      sql:
        "SELECT blobs.id FROM blobs WHERE blobs.digest = (SELECT id FROM digests WHERE digest = ?)",
      values: [digest.value],
    };
  }
  const equal = labels.find(({ operator }) => operator === "==");
  if (equal !== undefined) {
    return { sql: `${LABEL} AND value = ?`, values: [equal.key, equal.value] };
  }
  const present = labels.find(({ operator }) => operator !== "!=");
  return present && { sql: LABEL, values: [present.key] };
}

/** Whether the index answers a filter as a whole. */
function isAnchorOnly(filter: Filter): boolean {
  const [term, ...others] = filter;
  return others.length === 0 && term !== undefined &&
    ["==", "present"].includes(term.operator) &&
    findAnchor(filter) !== undefined;
}

/** What of a row is shown, in the order in which a list reads it. */
type ShownRow = Pick<
  BlobRow,
  | "size"
  | "mediaType"
  | "labels"
  | "created"
  | "updated"
  | "verified"
  | "damaged"
>;

interface Row extends ShownRow {
  readonly id: number;
  readonly digest: string;
}

/** What Deno has and its types do not tell of yet. */
type ArrayStatement = StatementSync & {
  setReturnArrays(enabled: boolean): void;
};

/** As arrays SQLite gives rows in a third of the time. */
function toRow(values: readonly unknown[]): Row {
  const [
    id,
    digest,
    size,
    mediaType,
    labels,
    created,
    updated,
    verified,
    damaged,
  ] = values;
  return {
    id,
    digest,
    size,
    mediaType,
    labels,
    created,
    updated,
    verified,
    damaged,
  } as Row;
}

/** Reads pages of rows: from an index if each of the filters allows, else all of them. */
function pages(
  { state, namespace }: Context,
  filters: readonly Filter[],
): (last: number) => Row[] {
  const anchors = filters.map(findAnchor).filter((anchor) =>
    anchor !== undefined
  );
  const narrow = anchors.length === filters.length
    ? `AND blobs.id IN (${anchors.map(({ sql }) => sql).join(" UNION ")})`
    : "";
  const values = narrow === "" ? [] : anchors.flatMap(({ values }) => values);
  // Not one of the kept statements: there is no end of filters.
  const statement = state.database.prepare(
    `SELECT blobs.id, digests.digest, size, media_type, labels, created, updated, verified, damaged FROM blobs
     JOIN digests ON digests.id = blobs.digest
     WHERE namespace = ? AND blobs.id > ? ${narrow} ORDER BY blobs.id LIMIT ${PAGE}`,
  );
  (statement as ArrayStatement).setReturnArrays(true);
  return (last) =>
    (statement.all(namespace.id, last, ...values) as unknown as unknown[][])
      .map(toRow);
}

/** Lists blobs, page by page. */
export async function* listBlobs(
  context: Context,
  options: ListBlobsOptions,
): AsyncIterable<BlobInfo> {
  const { signal } = options;
  const filters = parseFilters(options.filters);
  const isAnswered = filters.some((filter) => filter.length === 0) ||
    filters.every(isAnchorOnly);
  const read = pages(context, filters);
  for (let last = 0;;) {
    signal?.throwIfAborted();
    const rows = read(last);
    for (const row of rows) {
      const info = toInfo(row.digest, row);
      if (isAnswered || matches(filters, fieldsOf(info))) yield info;
    }
    if (rows.length < PAGE) return;
    last = rows.at(-1)!.id;
    await breathe();
  }
}
