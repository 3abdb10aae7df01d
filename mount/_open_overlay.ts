import type { Fd } from "@containerkit/libc";
import { attributeFlags } from "./_flags.ts";
import { fitsValue, FsContext } from "./_fs_context.ts";
import { cloneTree } from "./_open_tree.ts";
import { type OverlayMode, overlayMode } from "./_overlay_mode.ts";
import { overlayOptions } from "./_overlay_options.ts";
import { mountByPage, nameOf, openDirectory } from "./_overlay_page.ts";
import { applyAttributes, applyIdmap } from "./_set_attributes.ts";
import { StageDirectory } from "./_stage_directory.ts";
import type { MountSource, OverlayMount } from "./mount.ts";
import type { MountFd } from "./mount_fd.ts";
import { userNamespace } from "./user_namespace.ts";

const READONLY = 1;

/** How a nested mount is made; `open()` itself. */
export type OpenNested = (
  source: Exclude<MountSource, string>,
) => Promise<MountFd>;

/** A layer as the kernel gets it: by name, or as a mount that is attached nowhere. */
type Layer = string | Fd;

/** Makes an overlay that is attached nowhere, in the best way the kernel has. */
export async function openOverlay(
  mount: OverlayMount,
  openNested: OpenNested,
): Promise<Fd> {
  using stack = new DisposableStack();
  const lower = await openLayers(mount.lower, { mount, openNested, stack });
  const data = await openLayers(mount.data ?? [], { mount, openNested, stack });
  const mode = overlayMode();
  // From here on nothing waits: what is staged is gone again before anybody else runs.
  if (mode === "detached") return create(mount, { lower, data, mode, stack });
  if (mode === "page") return createByPage(mount, { lower, data });
  const isStaged = [...lower, ...data].some((layer) =>
    typeof layer !== "string"
  );
  if (!isStaged) return create(mount, { lower, data, mode, stack });
  using stage = new StageDirectory();
  const name = (layer: Layer) =>
    typeof layer === "string" ? layer : stage.attach(layer);
  return create(mount, {
    lower: lower.map(name),
    data: data.map(name),
    mode,
    stack,
  });
}

/** Nested mounts, and layers whose ids are mapped, become mounts of their own. */
async function openLayers(
  sources: readonly MountSource[],
  { mount, openNested, stack }: {
    mount: OverlayMount;
    openNested: OpenNested;
    stack: DisposableStack;
  },
): Promise<Layer[]> {
  const { idmap } = mount;
  const layers: Layer[] = [];
  for (const source of sources) {
    if (typeof source !== "string") {
      // An overlay itself cannot be mapped: one is when its layers are.
      const nested = idmap === undefined || source.idmap !== undefined
        ? source
        : { ...source, idmap };
      layers.push(stack.use(await openNested(nested)).fd);
    } else if (idmap === undefined) layers.push(source);
    else {
      const tree = stack.use(
        cloneTree(source, { action: `use "${source}" as a layer` }),
      );
      using userns = userNamespace(idmap);
      applyIdmap(tree, userns);
      layers.push(tree);
    }
  }
  return layers;
}

interface Parts {
  readonly lower: readonly Layer[];
  readonly data: readonly Layer[];
  readonly mode: OverlayMode;
  readonly stack: DisposableStack;
}

function create(mount: OverlayMount, { lower, data, mode, stack }: Parts): Fd {
  const context = stack.use(new FsContext("overlay"));
  context.set("source", "overlay");
  const add = (key: string, layer: Layer) => {
    if (typeof layer !== "string") return context.setFd(key, layer);
    addDirectory(context, { key, path: layer, mode, stack });
  };
  for (const layer of lower) add("lowerdir+", layer);
  for (const layer of data) add("datadir+", layer);
  if (mount.upper !== undefined && mount.work !== undefined) {
    add("upperdir", mount.upper);
    add("workdir", mount.work);
  }
  for (const [key, value] of overlayOptions(mount)) {
    if (value === true) context.flag(key);
    else context.set(key, value);
  }
  context.create();
  const { set } = attributeFlags(mount, "own");
  return context.mount(mount.upper === undefined ? set | READONLY : set);
}

/** By name, so that mountinfo shows it, where the kernel takes the name as it is. */
function addDirectory(
  context: FsContext,
  { key, path, mode, stack }: {
    key: string;
    path: string;
    mode: OverlayMode;
    stack: DisposableStack;
  },
): void {
  // Upper and work undergo unescaping, layers do not.
  const isPlain = fitsValue(path) &&
    (key.endsWith("+") || !path.includes("\\"));
  if (isPlain) return context.set(key, path);
  const directory = openDirectory(path, stack);
  if (mode === "names") context.set(key, nameOf(directory));
  else context.setFd(key, directory);
}

/** By mount(2), in a place of its own, and then a copy of that mount that is attached nowhere. */
function createByPage(
  mount: OverlayMount,
  { lower, data }: Pick<Parts, "lower" | "data">,
): Fd {
  using stage = new StageDirectory();
  const place = stage.makeDirectory();
  const names = (layers: readonly Layer[]) =>
    layers.map((layer) =>
      typeof layer === "string" ? layer : stage.attach(layer)
    );
  mountByPage(mount, { lower: names(lower), data: names(data), place });
  const tree = cloneTree(place);
  try {
    applyAttributes(
      tree,
      mount.upper === undefined ? { ...mount, readonly: true } : mount,
    );
  } catch (error) {
    tree.close();
    throw error;
  }
  return tree;
}
