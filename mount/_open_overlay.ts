import { type Fd, openAt, OpenFlag } from "@containerkit/libc";
import { attributeFlags } from "./_flags.ts";
import { fitsValue, FsContext } from "./_fs_context.ts";
import { cloneTree } from "./_open_tree.ts";
import { applyIdmap } from "./_set_attributes.ts";
import type { MountSource, OverlayMount } from "./mount.ts";
import type { MountFd } from "./mount_fd.ts";
import { userNamespace } from "./user_namespace.ts";

/** `OVL_MAX_STACK` of the kernel. */
const MAX_LAYERS = 500;

/** How a nested mount is made; `open()` itself. */
export type OpenNested = (
  source: Exclude<MountSource, string>,
) => Promise<MountFd>;

/** Refuses what the kernel would refuse with a number alone, or truncate. */
export function checkOverlay(mount: OverlayMount): void {
  const fail = (why: string): never => {
    throw new TypeError(`Cannot mount the overlay: ${why}`);
  };
  const layers = mount.lower.length + (mount.data?.length ?? 0);
  if (mount.lower.length === 0) fail("it has no lower layer");
  if (layers > MAX_LAYERS) {
    fail(
      `${layers} layers are more than the kernel's ${MAX_LAYERS}: merge some of them`,
    );
  }
  if ((mount.upper === undefined) !== (mount.work === undefined)) {
    fail("upper and work go together");
  }
  for (
    const path of [
      ...mount.lower,
      ...mount.data ?? [],
      mount.upper ?? "/",
      mount.work ?? "/",
    ]
  ) {
    if (typeof path === "string" && !path.startsWith("/")) {
      fail(`"${path}" is no absolute path`);
    }
  }
}

/** Options that hold whatever the way of mounting is, `true` for a word alone. */
export function overlayOptions(
  mount: OverlayMount,
): [key: string, value: string | true][] {
  const options: Record<string, string | true> = { ...mount.options };
  // With an index a second use of the upper would be refused by number alone, and lowers could never change.
  if (
    mount.upper !== undefined && options.index === undefined &&
    options.nfs_export === undefined
  ) options.index = "off";
  if (mount.volatile) options.volatile = true;
  return Object.entries(options);
}

/** Builds the overlay from descriptors and paths: Linux 6.15 and later. */
export async function openOverlay(
  mount: OverlayMount,
  openNested: OpenNested,
): Promise<Fd> {
  using stack = new DisposableStack();
  const context = stack.use(new FsContext("overlay"));
  context.set("source", "overlay");
  const userns = mount.idmap === undefined
    ? undefined
    : stack.use(userNamespace(mount.idmap));

  const add = async (key: string, source: MountSource): Promise<void> => {
    if (typeof source !== "string") {
      // An idmapped overlay is one of idmapped layers: an overlay itself cannot be.
      const tree = stack.use(
        await openNested(
          mount.idmap === undefined || source.idmap !== undefined
            ? source
            : { ...source, idmap: mount.idmap },
        ),
      );
      context.setFd(key, tree.fd);
    } else if (userns !== undefined) {
      const tree = stack.use(
        cloneTree(source, { action: `use "${source}" as a layer` }),
      );
      applyIdmap(tree, userns);
      context.setFd(key, tree);
    } else {
      addDirectory(context, key, source, stack);
    }
  };
  for (const source of mount.lower) await add("lowerdir+", source);
  for (const source of mount.data ?? []) await add("datadir+", source);
  if (mount.upper !== undefined && mount.work !== undefined) {
    addDirectory(context, "upperdir", mount.upper, stack);
    addDirectory(context, "workdir", mount.work, stack);
  }
  for (const [key, value] of overlayOptions(mount)) {
    if (value === true) context.flag(key);
    else context.set(key, value);
  }
  context.create();
  const { set } = attributeFlags(mount, "own");
  return context.mount(mount.upper === undefined ? set | READONLY : set);
}

const READONLY = 1;

/** By name, so that mountinfo shows it, where the kernel takes the name as it is. */
function addDirectory(
  context: FsContext,
  key: string,
  path: string,
  stack: DisposableStack,
): void {
  const isPlain = fitsValue(path) &&
    (key.endsWith("+") || !path.includes("\\"));
  if (isPlain) return context.set(key, path);
  const directory = stack.use(
    openAt(undefined, path, OpenFlag.PATH | OpenFlag.DIRECTORY),
  );
  context.setFd(key, directory);
}
