/** What a layer hides, whatever of it the layer itself has written before. */
import type { ApplyContext } from "./_apply_context.ts";
import { resetDirectory } from "./_attributes.ts";
import type { Dir } from "./_dir_tree.ts";
import {
  listSome,
  lstatAt,
  O_DIRECTORY,
  openChild,
  refused,
  S_IFDIR,
  S_IFMT,
} from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { removeTree } from "./_remove_tree.ts";

/** The path of something in a directory, for messages. */
export function pathIn(parent: Dir, name: string): string {
  return parent.parent === undefined ? name : `${parent.path}/${name}`;
}

/** Removes a name that this layer did not write. */
export function* removeFrom(
  { tree }: ApplyContext,
  parent: Dir,
  name: string,
): Generator<void> {
  yield* removeTree(tree.fd(parent), name, pathIn(parent, name));
  tree.forget(parent, name);
}

/** Hides a name of the layers below. */
export function* hide(
  context: ApplyContext,
  parent: Dir,
  name: string,
): Generator<void> {
  const dir = parent.children?.get(name);
  const isMine = dir?.hasOwn ?? parent.wrote(name);
  parent.copied?.delete(name);
  if (!isMine) yield* removeFrom(context, parent, name);
  else {
    const found = lstatAt(context.tree.fd(parent), name);
    if (typeof found !== "number") {
      // What this layer wrote stays, but what was below it goes.
      if (dir !== undefined && (found.mode & S_IFMT) === S_IFDIR) {
        yield* makeOpaque(context, dir);
        if (!dir.explicit) resetDirectory(context, dir);
      }
      return;
    }
  }
  (parent.hidden ??= new Set()).add(name);
  // Where nothing is below, an overlay would list the mark itself.
  if (parent.opaque || !context.isBelow(parent, name)) return;
  context.rules.marks.hide(context.marksOf(parent), name);
}

/** Hides all that the layers below have in a directory. */
export function* makeOpaque(
  context: ApplyContext,
  dir: Dir,
): Generator<void> {
  if (dir.opaque) return;
  yield* clear(context, dir);
  markOpaque(context, dir);
}

/** Says that a directory hides what is below it. */
export function markOpaque(context: ApplyContext, dir: Dir): void {
  dir.opaque = true;
  context.rules.marks.makeOpaque(context.marksOf(dir));
}

/** Removes what this layer did not write. */
function* clear(context: ApplyContext, dir: Dir): Generator<void> {
  yield;
  if (!dir.fresh) {
    yield* removeForeign(context, dir);
    dir.fresh = true;
  }
  for (const name of dir.copied ?? []) yield* removeFrom(context, dir, name);
  dir.copied = undefined;
  for (const name of dir.hidden ?? []) {
    yield;
    context.rules.marks.unhide(context.marksOf(dir), name);
  }
  for (const [name, child] of dir.children ?? []) {
    if (!child.hasOwn) {
      // Marks alone hold it.
      yield* removeFrom(context, dir, name);
      continue;
    }
    yield* clear(context, child);
    if (!child.explicit) resetDirectory(context, child);
    // The mark above it hides the same.
    child.opaque = true;
  }
}

function* removeForeign(context: ApplyContext, dir: Dir): Generator<void> {
  const list = openChild(context.tree.fd(dir), ".", O_DIRECTORY);
  if (list < 0) throw refused("open", "openat2", -list, dir.path);
  const libc = layerSymbols();
  try {
    // Again until nothing is found: a listing may pass over names while others go.
    for (let isFound = true; isFound;) {
      isFound = false;
      libc.lseek64(list, 0n, 0);
      for (
        let some = listSome(list, dir.path);
        some.length > 0;
        some = listSome(list, dir.path)
      ) {
        for (const { name } of some) {
          const isMine = dir.written?.has(name) ||
            dir.children?.get(name)?.hasOwn;
          if (isMine) continue;
          isFound = true;
          yield* removeFrom(context, dir, name);
        }
      }
    }
  } finally {
    libc.close(list);
  }
}
