import {
  cString,
  errno,
  type Fd,
  openAt,
  OpenFlag,
  SyscallError,
} from "@containerkit/libc";
import { explain } from "./_explain.ts";
import { attributeFlags } from "./_flags.ts";
import { fitsValue, FsContext } from "./_fs_context.ts";
import { cloneTree } from "./_open_tree.ts";
import { type OverlayMode, overlayMode } from "./_overlay_mode.ts";
import { escapeLayer, escapeOption } from "./_overlay_words.ts";
import { applyAttributes, applyIdmap } from "./_set_attributes.ts";
import { StageDirectory } from "./_stage_directory.ts";
import { symbols } from "./_symbols.ts";
import type { MountSource, OverlayMount } from "./mount.ts";
import type { MountFd } from "./mount_fd.ts";
import { userNamespace } from "./user_namespace.ts";

/** `OVL_MAX_STACK` of the kernel. */
const MAX_LAYERS = 500;
/** mount(2) reads one page, its NUL included, and drops the rest without a word. */
const MAX_PAGE = 4095;
const READONLY = 1;

/** How a nested mount is made; `open()` itself. */
export type OpenNested = (
  source: Exclude<MountSource, string>,
) => Promise<MountFd>;

/** A layer as the kernel gets it: by name, or as a mount that is attached nowhere. */
type Layer = string | Fd;

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
function overlayOptions(
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
  if (mode === "page") return createByPage(mount, { lower, data, stack });
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

function openDirectory(path: string, stack: DisposableStack): Fd {
  return stack.use(
    openAt(undefined, path, OpenFlag.PATH | OpenFlag.DIRECTORY),
  );
}

/** A short name of any directory, for the time of a call. */
function nameOf(directory: Fd): string {
  return `/proc/self/fd/${directory.number}`;
}

/** By mount(2), in a place of its own, and then a copy of that mount that is attached nowhere. */
function createByPage(
  mount: OverlayMount,
  { lower, data, stack }: Omit<Parts, "mode">,
): Fd {
  using stage = new StageDirectory();
  const place = stage.makeDirectory();
  const names = (layers: readonly Layer[]) =>
    layers.map((layer) =>
      typeof layer === "string" ? layer : stage.attach(layer)
    );
  const page = writePage(
    mount,
    { lower: names(lower), data: names(data) },
    stack,
  );
  const result = symbols().mount(
    cString("overlay"),
    cString(place),
    cString("overlay"),
    0n,
    cString(page),
  );
  if (result !== 0) {
    const code = errno();
    throw new SyscallError("mount overlay", {
      syscall: "mount",
      errno: code,
      detail: explain(code, { call: "fsconfig", type: "overlay" }),
    });
  }
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

/** The options of mount(2): with the names of the layers, or when these take too much room with short ones. */
function writePage(
  mount: OverlayMount,
  { lower, data }: { lower: string[]; data: string[] },
  stack: DisposableStack,
): string {
  const write = (name: (path: string) => string) => {
    const word = (path: string) => escapeOption(escapeLayer(name(path)));
    const plain = (path: string) =>
      escapeOption(name(path).replaceAll("\\", "\\\\"));
    return [
      `lowerdir=${lower.map(word).join(":")}${
        data.map((path) => `::${word(path)}`).join("")
      }`,
      ...(mount.upper === undefined ? [] : [`upperdir=${plain(mount.upper)}`]),
      ...(mount.work === undefined ? [] : [`workdir=${plain(mount.work)}`]),
      ...overlayOptions(mount).map(([key, value]) =>
        value === true ? key : `${key}=${escapeOption(value)}`
      ),
    ].join(",");
  };
  const size = (text: string) => new TextEncoder().encode(text).length;
  const full = write((path) => path);
  if (size(full) <= MAX_PAGE) return full;
  const short = write((path) => nameOf(openDirectory(path, stack)));
  if (size(short) <= MAX_PAGE) return short;
  throw new TypeError(
    `Cannot mount the overlay: ${lower.length} layers take ${
      size(short)
    } bytes, and before Linux 6.7 the kernel drops what is beyond ${MAX_PAGE}: merge some of them`,
  );
}
