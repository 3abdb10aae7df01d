import { breathe, type Context } from "./_context.ts";

const PAGE = 20_000;

function grow(
  list: Uint32Array<ArrayBuffer>,
  length: number,
): Uint32Array<ArrayBuffer> {
  if (length <= list.length) return list;
  const grown = new Uint32Array(Math.max(length, list.length * 2));
  grown.set(list);
  return grown;
}

/** All edges between digests, sorted by parent, in two lists of integers. */
export interface EdgeTable {
  children(parent: number): Uint32Array;
}

/** Reads the edges, page by page so that others get their turn. */
export async function loadEdges({ state }: Context): Promise<EdgeTable> {
  const statement = state.prepare(
    `SELECT json_group_array(parent) AS parents, json_group_array(child) AS children FROM
       (SELECT parent, child FROM edges WHERE (parent, child) > (?, ?) ORDER BY parent, child LIMIT ${PAGE})`,
  );
  let parents = new Uint32Array(1024);
  let children = new Uint32Array(1024);
  let count = 0;
  let last: [number, number] = [-1, -1];
  for (;;) {
    const row = statement.get(...last)!;
    const newParents: number[] = JSON.parse(String(row.parents));
    const newChildren: number[] = JSON.parse(String(row.children));
    parents = grow(parents, count + newParents.length);
    children = grow(children, count + newParents.length);
    parents.set(newParents, count);
    children.set(newChildren, count);
    count += newParents.length;
    if (newParents.length < PAGE) break;
    last = [newParents.at(-1)!, newChildren.at(-1)!];
    await breathe();
  }
  /** The first place whose parent is not less. */
  const find = (parent: number) => {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (parents[middle]! < parent) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    children(parent) {
      const start = find(parent);
      return children.subarray(start, find(parent + 1));
    },
  };
}
