import { listDir, S_IFDIR, S_IFMT, type Stat } from "./_files.ts";
import { Levels } from "./_levels.ts";
import { openRoot } from "./_parent_layers.ts";
import { statAt } from "./_walk_dir.ts";

/** A file of a tree. */
export interface TreeFile {
  /** The open directory it lies in, until the next is asked for. */
  readonly fd: number;
  /** Its name there; none is the directory itself. */
  readonly name: string;
  /** Its path, for messages. */
  readonly path: string;
  readonly stat: Stat;
}

/** Every file of a tree, a directory before what is in it; one with several names once. */
export function* walkTree(path: string): Generator<TreeFile> {
  const seen = new Set<bigint>();
  using levels = new Levels("open");
  const root = levels.add(openRoot(path), "", path);
  yield { fd: root.fd, name: "", path, stat: statAt(root.fd, "", path) };
  root.entries = listDir(root.fd, path);
  for (let at = levels.last; at !== undefined; at = levels.last) {
    const entry = at.entries.pop();
    if (entry === undefined) {
      levels.leave();
      continue;
    }
    const { fd } = at;
    const { name } = entry;
    const shown = `${at.path}/${name}`;
    const stat = statAt(fd, name, shown);
    const isDir = (stat.mode & S_IFMT) === S_IFDIR;
    if (!isDir && stat.nlink > 1) {
      if (seen.has(stat.ino)) continue;
      seen.add(stat.ino);
    }
    yield { fd, name, path: shown, stat };
    if (!isDir) continue;
    levels.enter(fd, name, shown);
    const level = levels.last!;
    level.entries = listDir(level.fd, shown);
  }
}
