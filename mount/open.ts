/**
 * Making mounts that are attached nowhere.
 *
 * @module
 */

import { type Fd, openAt, openAt2, OpenFlag, tracer } from "@containerkit/libc";
import { pickAttributes } from "./_attributes.ts";
import {
  btrfs,
  type Filesystem,
  image,
  isReadonlyImage,
  openErofs,
  openFilesystem,
  openLargeFilesystem,
  setOptions,
  tmpfs,
} from "./_open_filesystem.ts";
import { checkOverlay, openOverlay } from "./_open_overlay.ts";
import { cloneTree } from "./_open_tree.ts";
import { overlayMode } from "./_overlay_mode.ts";
import { applyAttributes, applyIdmap } from "./_set_attributes.ts";
import { StageDirectory } from "./_stage_directory.ts";
import { fromContainerd } from "./from_containerd.ts";
import { openLoopDevice } from "./loop_device.ts";
import type {
  BindMount,
  ImageMount,
  Mount,
  OverlayMount,
  RawMount,
} from "./mount.ts";
import { MountFd } from "./mount_fd.ts";
import { userNamespace } from "./user_namespace.ts";

const trace = tracer("containerkit:mount");

/** Options of {@linkcode open}. */
export interface OpenOptions {
  /** Stops between two steps; what was made is gone then. */
  signal?: AbortSignal | undefined;
}

/**
 * Makes a mount that is attached nowhere: nobody sees it, and it is gone when closed.
 *
 * What is nested is made first, and only seen by what it is nested in.
 *
 * @param mount What to make.
 * @param options Stops it.
 * @returns The mount; give it to `attach()`, or its `path` to a runtime.
 * @throws {TypeError} If the mount contradicts itself, such as an overlay of more than 500 layers.
 * @throws {SyscallError} If the kernel refuses: with its reason in words where it gave one.
 *
 * @example A file system in memory that nobody else sees
 * ```ts ignore
 * import { open } from "@containerkit/mount";
 *
 * using tree = await open({ type: "tmpfs", size: 1 << 20 });
 * await Deno.writeTextFile(`${tree.path}/secret`, "1");
 * ```
 */
export function open(
  mount: Mount,
  options: OpenOptions = {},
): Promise<MountFd> {
  return trace("open", () => ({ mount }), () => openMount(mount, options));
}

async function openMount(
  given: Mount,
  options: OpenOptions,
): Promise<MountFd> {
  options.signal?.throwIfAborted();
  const mount = given.type === "raw" ? normalizeRaw(given) : given;
  const tree = await build(mount, options);
  try {
    return new MountFd(finish(tree, mount), {
      propagation: mount.propagation,
    });
  } catch (error) {
    tree.close();
    throw error;
  }
}

async function build(mount: Mount, options: OpenOptions): Promise<Fd> {
  switch (mount.type) {
    case "bind":
      return openBind(mount);
    case "tmpfs":
      return openFilesystem(tmpfs(mount), mount);
    case "erofs":
      for (const path of [mount.source, ...mount.devices ?? []]) {
        requireAbsolute(path);
      }
      return openErofs(mount);
    case "btrfs":
      return await openLargeFilesystem(btrfs(mount), mount);
    case "image":
      return await openImage(mount);
    case "overlay":
      checkOverlay(mount);
      return mount.upper === undefined && mount.lower.length === 1 &&
          !mount.data?.length
        ? await openOnlyLayer(mount, options)
        : await openOverlay(mount, (nested) => open(nested, options));
    case "raw":
      return await openLargeFilesystem(raw(mount), mount);
    default:
      throw new TypeError(
        `Cannot mount: there is no type ${
          JSON.stringify((mount as { type: unknown }).type)
        }`,
      );
  }
}

/** Attributes that could not be set on the way, the ids and the part that is shown. */
function finish(tree: Fd, mount: Mount): Fd {
  if (mount.type === "bind") {
    applyAttributes(tree, mount);
    mapIds(tree, mount);
    return tree;
  }
  if (mount.subpath === undefined) {
    if (mount.type !== "overlay") mapIds(tree, mount);
    return tree;
  }
  const part = takeDetachedSubpath(tree, mount.subpath);
  try {
    applyAttributes(part, mount);
    if (mount.type !== "overlay") mapIds(part, mount);
  } catch (error) {
    part.close();
    throw error;
  }
  tree.close();
  return part;
}

function mapIds(tree: Fd, mount: Mount): void {
  if (mount.idmap === undefined) return;
  using userns = userNamespace(mount.idmap);
  applyIdmap(tree, userns, {
    recursive: mount.type === "bind" && (mount.recursive ?? false),
  });
}

/** Only a part of a tree, found without leaving it. */
function takeSubpath(
  tree: Fd,
  subpath: string,
  options: { recursive?: boolean } = {},
): Fd {
  using part = openAt2(tree, subpath, { flags: OpenFlag.PATH });
  return cloneTree(part, { ...options, action: `bind its part "${subpath}"` });
}

/** The same of a mount that is attached nowhere, of which older kernels copy no part. */
function takeDetachedSubpath(tree: Fd, subpath: string): Fd {
  if (overlayMode() === "detached") return takeSubpath(tree, subpath);
  using stage = new StageDirectory();
  using root = openAt(undefined, stage.attach(tree), OpenFlag.PATH);
  return takeSubpath(root, subpath);
}

function openBind(mount: BindMount): Fd {
  requireAbsolute(mount.source);
  const recursive = mount.recursive ?? false;
  if (mount.subpath === undefined) {
    return cloneTree(mount.source, { recursive });
  }
  using root = openAt(undefined, mount.source, OpenFlag.PATH);
  return takeSubpath(root, mount.subpath, { recursive });
}

async function openImage(mount: ImageMount): Promise<Fd> {
  requireAbsolute(mount.source);
  using device = openLoopDevice(mount.source, {
    readonly: isReadonlyImage(mount),
  });
  return await openLargeFilesystem(image(mount, device), mount);
}

/** The kernel refuses an overlay of one layer, which would be that layer. */
async function openOnlyLayer(
  mount: OverlayMount,
  options: OpenOptions,
): Promise<Fd> {
  const { subpath: _, ...attributes } = pickAttributes(mount);
  const [only] = mount.lower;
  const alone: Mount = typeof only === "string"
    ? { type: "bind", source: only, ...attributes, readonly: true }
    : { ...only!, ...attributes, readonly: true };
  return (await open(alone, options)).fd;
}

/** What its option words say becomes attributes, and what is another type becomes that. */
function normalizeRaw(mount: RawMount): Mount {
  const found = fromContainerd({
    type: mount.fstype,
    source: mount.source,
    options: mount.options,
  });
  return { ...found, ...pickAttributes(mount) };
}

function raw(mount: RawMount): Filesystem {
  // Such as fuse.sshfs: what stands behind the dot is for people.
  const [type, subtype] =
    /^(fuse|fuseblk)\.(.+)$/.exec(mount.fstype)?.slice(1) ??
      [mount.fstype];
  return {
    type: type!,
    isReadonly: Boolean(mount.readonly),
    configure(context) {
      if (mount.source !== "") context.setPath("source", mount.source);
      if (subtype !== undefined) context.set("subtype", subtype);
      setOptions(context, mount.options);
    },
  };
}

function requireAbsolute(path: string): void {
  if (!path.startsWith("/")) {
    throw new TypeError(`Cannot mount "${path}": it is no absolute path`);
  }
}
