/** Marks that are made when all entries of a layer are there: only then it is known where their paths lead. */
import type { Whiteout } from "@containerkit/tar/layer";
import type { ApplyContext } from "./_apply_context.ts";
import type { Dir } from "./_dir_tree.ts";
import { hide, makeOpaque, pathIn } from "./_hide.ts";

/** A mark, and the directory that it lies in as the layer names it. */
export interface LateMark {
  readonly names: readonly string[];
  readonly whiteout: Whiteout;
}

/** Makes a mark in a directory. */
export function makeMark(
  context: ApplyContext,
  parent: Dir,
  whiteout: Whiteout,
): Generator<void> | undefined {
  switch (whiteout.kind) {
    case "opaque":
      parent.marked = true;
      return makeOpaque(context, parent);
    case "hide":
      return hide(context, parent, whiteout.name);
    case "internal":
      return undefined;
  }
}

/** The marks in directories that were removed since: their names may lead elsewhere now. */
function* lostMarks({ tree }: ApplyContext): Generator<LateMark> {
  for (const dir of tree.lost) {
    const names = dir.path.split("/");
    if (dir.marked) yield { names, whiteout: { kind: "opaque" } };
    for (const name of dir.hidden ?? []) {
      yield { names, whiteout: { kind: "hide", name } };
    }
  }
}

/**
 * Makes the marks that had to wait.
 *
 * @param find Follows the parts of a path; `undefined` if nothing can be hidden there.
 */
export function* makeLateMarks(
  context: ApplyContext,
  marks: readonly LateMark[],
  find: (names: readonly string[]) => Dir | undefined,
): Generator<void> {
  const found: { parent: Dir; whiteout: Whiteout }[] = [];
  // All are looked up before one of them hides what another goes through.
  for (const { names, whiteout } of [...marks, ...lostMarks(context)]) {
    yield;
    const parent = find(names);
    if (parent !== undefined) found.push({ parent, whiteout });
  }
  for (const { parent, whiteout } of found) {
    if (parent.dead) continue;
    const work = makeMark(context, parent, whiteout);
    if (work !== undefined) yield* work;
  }
}

/** Where marks are, wherever the layer says they are. */
export interface FoundMarks {
  /** Names that are hidden. */
  readonly marks: readonly string[];
  /** Directories that were made for marks and hold nothing else. */
  readonly holders: readonly string[];
}

/** Finds the marks below a root. */
export function findMarks(root: Dir): FoundMarks {
  const marks: string[] = [];
  const holders: string[] = [];
  const stack = [root];
  for (let dir = stack.pop(); dir !== undefined; dir = stack.pop()) {
    for (const name of dir.hidden ?? []) marks.push(pathIn(dir, name));
    if (dir.isHolder && !dir.hasOwn) holders.push(dir.path);
    stack.push(...dir.children?.values() ?? []);
  }
  return { marks, holders };
}
