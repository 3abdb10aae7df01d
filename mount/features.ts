/**
 * What this kernel can mount, and why not.
 *
 * @module
 */

import { errno, openAt, OpenFlag } from "@containerkit/libc";
import { FsContext } from "./_fs_context.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { overlayMode } from "./_overlay_mode.ts";
import { symbols, Sys } from "./_symbols.ts";

/** What may be missing. */
export type FeatureName =
  | "detached-mounts"
  | "overlay"
  | "overlay-layer-names"
  | "overlay-layer-descriptors"
  | "overlay-detached-layers"
  | "overlay-volatile"
  | "overlay-userxattr"
  | "overlay-metacopy"
  | "erofs"
  | "erofs-files"
  | "ext4"
  | "xfs"
  | "btrfs"
  | "squashfs"
  | "tmpfs"
  | "fuse"
  | "loop"
  | "idmap"
  | "statmount"
  | "user-namespace";

/** By name: `undefined` where it is there, else the reason in plain words. */
export type Features = Readonly<Record<FeatureName, string | undefined>>;

const ENOSYS = 38;
const ENOTBLK = 15;

let found: Features | undefined;

/**
 * Tells what this kernel can mount. It is asked once, by trying with nothing that stays.
 *
 * @returns For each feature `undefined`, or why it is missing.
 *
 * @example Usage
 * ```ts ignore
 * import { features } from "@containerkit/mount";
 *
 * for (const [name, missing] of Object.entries(features())) {
 *   console.log(name, missing ?? "yes");
 * }
 * ```
 */
export function features(): Features {
  return found ??= probe();
}

function probe(): Features {
  const refused = refusedMountApi();
  const mode = overlayMode();
  const overlay = filesystem("overlay");
  const isAt = (...modes: string[]) => modes.includes(mode);
  return {
    "detached-mounts": refused === undefined
      ? undefined
      : `${refused}: mount() goes by mount(2), open() and mapped ids are not to be had`,
    overlay,
    "overlay-layer-names": isAt("page")
      ? `${
        refused ?? "Linux 6.7 is needed"
      }: all layers have to fit in one page, which is some 200`
      : undefined,
    "overlay-layer-descriptors": isAt("page", "names")
      ? `${refused ?? "Linux 6.13 is needed"}: layers are given by name`
      : undefined,
    "overlay-detached-layers": isAt("detached")
      ? undefined
      : `${
        refused ?? "Linux 6.15 is needed"
      }: nested mounts are attached for a moment`,
    "overlay-volatile": overlay ?? option("volatile"),
    "overlay-userxattr": overlay ?? option("userxattr"),
    "overlay-metacopy": overlay ?? option("metacopy", "on"),
    erofs: filesystem("erofs"),
    "erofs-files": filesystem("erofs") ?? refused ?? erofsFiles(),
    ext4: filesystem("ext4"),
    xfs: filesystem("xfs"),
    btrfs: filesystem("btrfs"),
    squashfs: filesystem("squashfs"),
    tmpfs: filesystem("tmpfs"),
    fuse: filesystem("fuse"),
    loop: device("/dev/loop-control"),
    idmap: refused,
    statmount: call(() =>
      symbols().statmount(
        Sys.STATMOUNT,
        new Uint8Array(24),
        new Uint8Array(8),
        0n,
        0,
      ), "Linux 6.8"),
    "user-namespace": limit("/proc/sys/user/max_user_namespaces"),
  };
}

function reasonOf(error: unknown): string {
  const { detail, message } = error as { detail?: string; message: string };
  return detail ?? message;
}

function filesystem(type: string): string | undefined {
  if (refusedMountApi() !== undefined) {
    return Deno.readTextFileSync("/proc/filesystems").includes(`\t${type}\n`)
      ? undefined
      : `the kernel does not list the filesystem "${type}", or its module is not loaded`;
  }
  try {
    new FsContext(type)[Symbol.dispose]();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Unknown options are refused when they are set; nothing is made. Older kernels take every word, and have had these since 5.11. */
function option(key: string, value?: string): string | undefined {
  if (overlayMode() === "page") return undefined;
  using context = new FsContext("overlay");
  try {
    if (value === undefined) context.flag(key);
    else context.set(key, value);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** A file of zeros is no image: a kernel that looks into it says that, another that it wants a device. */
function erofsFiles(): string | undefined {
  const path = Deno.makeTempFileSync({ prefix: "containerkit-probe-" });
  try {
    Deno.truncateSync(path, 4096);
    using context = new FsContext("erofs");
    context.set("source", path);
    context.create();
    return undefined;
  } catch (error) {
    return (error as { errno?: number }).errno === ENOTBLK
      ? "Linux 6.12 is needed: images go through loop devices"
      : undefined;
  } finally {
    Deno.removeSync(path);
  }
}

function device(path: string): string | undefined {
  try {
    openAt(undefined, path, OpenFlag.RDWR).close();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Called with nonsense: any refusal but one shows that it is there. */
function call(make: () => number, since: string): string | undefined {
  if (make() >= 0) return undefined;
  return errno() === ENOSYS ? `${since} is needed` : undefined;
}

function limit(path: string): string | undefined {
  try {
    return Number(Deno.readTextFileSync(path)) > 0 ? undefined : `${path} is 0`;
  } catch {
    return `${path} is missing: the kernel has no user namespaces`;
  }
}
