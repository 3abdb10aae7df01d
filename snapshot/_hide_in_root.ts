import {
  lstatAt,
  O_DIRECTORY,
  openChild,
  refused,
  S_IFDIR,
  S_IFMT,
} from "./_files.ts";
import type { LayerMarks } from "./_layer_marks.ts";
import { closing } from "./_walk_dir.ts";

/**
 * Hides names of the layers below in the root of a layer: overlay always merges the roots, whatever mark one bears.
 *
 * @param root The root of the layer, open.
 * @param names What the layers below have in theirs.
 * @returns The names that a mark was made for; what the layer has itself hides what is below it.
 */
export function hideInRoot(
  root: number,
  names: Iterable<string>,
  marks: LayerMarks,
): string[] {
  const made: string[] = [];
  for (const name of names) {
    const stat = lstatAt(root, name);
    if (typeof stat === "number") {
      marks.hide({ fd: root, path: "" }, name);
      made.push(name);
    } else if ((stat.mode & S_IFMT) === S_IFDIR) {
      const fd = openChild(root, name, O_DIRECTORY);
      if (fd < 0) throw refused("open", "openat2", -fd, name);
      using _dir = closing(fd);
      marks.makeOpaque({ fd, path: name });
    }
  }
  return made;
}
