/**
 * Making mounts that are attached nowhere.
 *
 * @module
 */

import { type Fd, openAt, OpenFlag, tracer } from "@containerkit/libc";
import { checkMount, onlyLayer } from "./_check_mount.ts";
import { btrfs, image, isReadonlyImage, raw, tmpfs } from "./_filesystems.ts";
import {
  makeErofs,
  openFilesystem,
  openLargeFilesystem,
} from "./_open_filesystem.ts";
import { openOverlay } from "./_open_overlay.ts";
import { cloneTree } from "./_open_tree.ts";
import { openPart } from "./_open_part.ts";
import { overlayMode } from "./_overlay_mode.ts";
import { applyAttributes, applyIdmap } from "./_set_attributes.ts";
import { StageDirectory } from "./_stage_directory.ts";
import { openLoopDevice } from "./loop_device.ts";
import type { BindMount, ImageMount, Mount } from "./mount.ts";
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
 * @see https://docs.kernel.org/filesystems/mount_api.html
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
  const mount = checkMount(given);
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
      return await makeErofs(
        mount,
        (filesystem) => openFilesystem(filesystem, mount),
      );
    case "btrfs":
      return await openLargeFilesystem(btrfs(mount), mount);
    case "image":
      return await openImage(mount);
    case "overlay": {
      const only = onlyLayer(mount);
      return only === undefined
        ? await openOverlay(mount, (nested) => open(nested, options))
        : (await open(only, options)).fd;
    }
    case "raw":
      return await openLargeFilesystem(raw(mount), mount);
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
  const part = takeDetachedSubpath(tree, mount.subpath, mount);
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
  { mount, recursive = false }: { mount: Mount; recursive?: boolean },
): Fd {
  using part = openPart(tree, subpath, mount);
  return cloneTree(part, { recursive, action: `bind its part "${subpath}"` });
}

/** The same of a mount that is attached nowhere, of which older kernels copy no part. */
function takeDetachedSubpath(tree: Fd, subpath: string, mount: Mount): Fd {
  if (overlayMode() === "detached") {
    return takeSubpath(tree, subpath, { mount });
  }
  using stage = new StageDirectory();
  using root = openAt(undefined, stage.attach(tree), OpenFlag.PATH);
  return takeSubpath(root, subpath, { mount });
}

function openBind(mount: BindMount): Fd {
  const recursive = mount.recursive ?? false;
  if (mount.subpath === undefined) {
    return cloneTree(mount.source, { recursive });
  }
  using root = openAt(undefined, mount.source, OpenFlag.PATH);
  return takeSubpath(root, mount.subpath, { mount, recursive });
}

async function openImage(mount: ImageMount): Promise<Fd> {
  using device = openLoopDevice(mount.source, {
    readonly: isReadonlyImage(mount),
  });
  return await openLargeFilesystem(image(mount, device), mount);
}
