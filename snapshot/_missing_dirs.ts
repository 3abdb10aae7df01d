/** Directories that a layer says nothing of, though it has something in them. */
import type { ApplyContext } from "./_apply_context.ts";
import { dressDirectory } from "./_attributes.ts";
import type { Dir, MissingHandler } from "./_dir_tree.ts";
import { lstatAt } from "./_files.ts";
import { pathIn } from "./_hide.ts";
import { directoryMarks } from "./_layer_marks.ts";
import { createDirectory } from "./_make_entry.ts";
import type { Below } from "./_parent_layers.ts";

/** Makes directories that the layer writes into but has no entry for. */
export function parentMaker(context: ApplyContext): MissingHandler {
  const { tree, rules } = context;
  return (parent, name) => {
    const found = lstatAt(tree.fd(parent), name);
    if (typeof found !== "number" && parent.wrote(name)) {
      // In the way: of what is this layer's nothing but a mark may be replaced.
      const isHidden = parent.hidden?.has(name) ?? false;
      if (!isHidden || !rules.marks.isMark(found)) return undefined;
    }
    const below = context.findBelow(parent, name);
    if (below?.kind === "link") return { link: below.target };
    const dir = makeLike(context, below, { parent, name });
    parent.write(name);
    return dir;
  };
}

/** Makes directories for nothing but marks, which make nothing: there is one only where one is below. */
export function holderMaker(context: ApplyContext): MissingHandler {
  const { tree, rules } = context;
  return (parent, name) => {
    if (rules.marks === directoryMarks) return undefined;
    const isHidden = parent.opaque || parent.hidden?.has(name);
    if (isHidden || typeof lstatAt(tree.fd(parent), name) !== "number") {
      return undefined;
    }
    const below = context.findBelow(parent, name);
    if (below?.kind === "link") return { link: below.target };
    // Where it is not known what is below, who puts the layer on it looks again.
    if (rules.parents !== undefined && below?.kind !== "dir") return undefined;
    const dir = makeLike(context, below, { parent, name });
    dir.made = false;
    dir.isHolder = true;
    return dir;
  };
}

/** Makes a directory look as the one below, if there is one. */
function makeLike(
  context: ApplyContext,
  below: Below | undefined,
  { parent, name }: { readonly parent: Dir; readonly name: string },
): Dir {
  const like = below?.kind === "dir" ? below : undefined;
  const owner = like === undefined
    ? context.plainOwner
    : context.ownerLike(like.stat, pathIn(parent, name));
  const dir = createDirectory(context, { parent, name }, 0o755);
  if (like !== undefined) {
    const { stat, xattrs } = like;
    dressDirectory(context, dir, { mode: stat.mode & 0o7777, owner, xattrs });
    dir.times = stat;
  } else if (
    parent.inheritedGid !== undefined || owner.uid !== 0 || owner.gid !== 0
  ) dressDirectory(context, dir, { mode: 0o755, owner });
  return dir;
}
