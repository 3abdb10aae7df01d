import {
  type Fd,
  FileType,
  openAt,
  openAt2,
  OpenFlag,
  readLinkAt,
  Resolve,
  type Stat,
  statAt,
  SyscallError,
} from "@containerkit/libc";

/** What is mounted over a path of a tree. */
export interface TreeMount {
  /** Its type, such as `bind` or `tmpfs`. */
  readonly type: string;
  /** What is bound there: a path of the host without links. */
  readonly source: string;
  readonly readonly: boolean;
}

/** A root folder, and what a container has mounted over it, which is not seen there. */
export interface Tree {
  /** What stands before a path in messages, such as `web:`. */
  readonly prefix: string;
  readonly root: string;
  readonly readonly: boolean;
  /** By absolute path, without links. */
  readonly mounts: ReadonlyMap<string, TreeMount>;
}

/** The files of the host. */
export const HOST: Tree = {
  prefix: "",
  root: "/",
  readonly: false,
  mounts: new Map(),
};

/** A name on the way. */
interface Step {
  /** The folder it lies below: the tree's own, or what is bound over a part of it. */
  readonly root: Fd;
  /** The names from there; none is the folder itself. */
  readonly names: readonly string[];
  /** The names from the root of the tree. */
  readonly path: readonly string[];
  readonly readonly: boolean;
  /** Itself, by `O_PATH`. */
  readonly file: Fd;
  readonly stat: Stat;
}

/** Where a path leads, links undone. */
export interface Place extends Omit<Step, "file" | "stat">, Disposable {
  /** How messages call it. */
  readonly shown: string;
  /** The folder it lies in. */
  readonly parent: Fd;
  /** Itself, if there is anything. */
  readonly found: Pick<Step, "file" | "stat"> | undefined;
}

/** Where there is something. */
export type FoundPlace = Place & {
  readonly found: NonNullable<Place["found"]>;
};

/** How many links the kernel follows in one path. */
const MOST_LINKS = 40;

const namesOf = (path: string) =>
  path.split("/").filter((name) => name !== "" && name !== ".");

/** The kind of a file, of `FileType`. */
export function kindOf({ mode }: Stat): number {
  return mode & FileType.MASK;
}

/** Opens a name of a folder, whatever it is and without doing anything to it; `undefined` if there is none. */
function openName(folder: Fd, name: string): Fd | undefined {
  try {
    return openAt2(folder, name, {
      flags: OpenFlag.PATH | OpenFlag.NOFOLLOW,
      resolve: Resolve.BENEATH | Resolve.NO_MAGICLINKS,
    });
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ENOENT") return;
    throw error;
  }
}

/** Opens what is bound. It may lie in another that the container writes to: what has become a link since is not followed. */
function openBound({ source }: TreeMount): Fd {
  return openAt2(undefined, source, {
    flags: OpenFlag.PATH,
    resolve: Resolve.NO_SYMLINKS,
  });
}

/**
 * Finds where a path leads, name by name, as a process would whose root the tree is: neither `..` nor a link leads out.
 *
 * @param follow Whether a link at its end is followed too.
 * @throws {Deno.errors.NotFound} If a folder on the way is missing; the last name may be.
 * @throws {Deno.errors.NotSupported} If the way goes through what only the container sees.
 */
export function locate(tree: Tree, path: string, follow: boolean): Place {
  const shown = `${tree.prefix}${path}`;
  const lost = (why: string) =>
    new Deno.errors.NotFound(`Cannot find "${shown}": ${why}`);
  using opened = new DisposableStack();

  const rootOf = (root: Fd) => {
    opened.use(root);
    return { root, names: [], file: root, stat: statAt(root, "") };
  };
  /** A name of where one is; `undefined` if there is none. */
  const enter = (above: Step, name: string): Step | undefined => {
    if (kindOf(above.stat) !== FileType.DIRECTORY) {
      throw lost(`"/${above.path.join("/")}" is no folder`);
    }
    const path = [...above.path, name];
    const mount = tree.mounts.get(`/${path.join("/")}`);
    if (mount?.type === "bind") {
      return { ...rootOf(openBound(mount)), path, readonly: mount.readonly };
    }
    if (mount !== undefined) {
      throw new Deno.errors.NotSupported(
        `Cannot find "${shown}": the ${mount.type} on "/${
          path.join("/")
        }" is seen in the container only`,
      );
    }
    const file = openName(above.file, name);
    if (file === undefined) return;
    opened.use(file);
    const stat = statAt(file, "");
    return { ...above, names: [...above.names, name], path, file, stat };
  };

  const { readonly } = tree;
  const root = rootOf(openAt(undefined, tree.root, OpenFlag.PATH));
  const steps: Step[] = [{ ...root, path: [], readonly }];
  const rest = namesOf(path).reverse();
  let links = 0;
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    const above = steps.at(-1)!;
    if (name === "..") {
      if (steps.length > 1) steps.pop();
      continue;
    }
    const step = enter(above, name);
    if (step === undefined) {
      if (rest.length > 0) throw lost(`there is no "${name}" on the way`);
      return {
        ...above,
        names: [...above.names, name],
        path: [...above.path, name],
        shown,
        parent: above.file,
        found: undefined,
        ...holding(opened),
      };
    }
    const isLink = kindOf(step.stat) === FileType.SYMLINK;
    if (!isLink || (rest.length === 0 && !follow)) {
      steps.push(step);
      continue;
    }
    if (++links > MOST_LINKS) throw lost("there are too many links");
    const target = readLinkAt(step.file, "");
    if (target.startsWith("/")) steps.length = 1;
    rest.push(...namesOf(target).reverse());
  }
  const found = steps.at(-1)!;
  const parent = (steps.at(-2) ?? found).file;
  return { ...found, shown, parent, found, ...holding(opened) };
}

/** What closes all that was opened, later. */
function holding(opened: DisposableStack): Disposable {
  const held = opened.move();
  return { [Symbol.dispose]: () => held.dispose() };
}
