/**
 * Snapshots as filesystems in files, each of a size that it cannot pass.
 *
 * ```ts ignore
 * import { openImage } from "@containerkit/snapshot/image";
 *
 * await using snapshots = await openImage({ root: "/var/lib/containerkit" });
 * ```
 *
 * @module
 */

import { ioctl, openAt, OpenFlag, SyscallError } from "@containerkit/libc";
import { needsRecovery, open as openMount } from "@containerkit/mount";
import { cloneFile } from "@containerkit/mount/reflink";
import { checkFilesystem } from "./_filesystem.ts";
import { destroyTree } from "./_folders.ts";
import { openStore } from "./_open_store.ts";
import { runTool } from "./_run_tool.ts";
import { type Backing, WholeDriver } from "./_whole.ts";
import type { Folder } from "./_driver.ts";
import type { OpenSnapshotterOptions } from "./open_snapshotter_options.ts";
import type { Snapshotter } from "./snapshotter.ts";

const EXT4_IOC_RESIZE_FS = 0x40086610;
const BLOCK = 4096;
const DEFAULT_SIZE = 10 * 2 ** 30;
/** Smaller ones have no room for their own structures. */
const SMALLEST = 8 << 20;

/** Options of {@linkcode openImage}. */
export interface OpenImageOptions extends OpenSnapshotterOptions {
  /**
   * Size in bytes of a snapshot that starts empty and without `sizeLimit`. Space is taken when it is written to.
   *
   * @default {10_737_418_240}
   */
  readonly size?: number;
}

const imageOf = ({ dir }: { dir: string }) => `${dir}/image`;

/** Makes an empty filesystem. */
async function makeFilesystem(path: string): Promise<void> {
  // deno-fmt-ignore
  const args = ["-q", "-F", "-m", "0", "-b", String(BLOCK), "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0", path];
  await runTool("mkfs.ext4", args, `make a filesystem in "${path}"`);
}

/** Whether a device is mounted. Who only looks at it, as udev does when it comes up, does not matter. */
function isClaimed(device: string): boolean {
  try {
    // The kernel lets nobody else have a device that is mounted; see open(2).
    openAt(undefined, device, OpenFlag.EXCL).close();
    return false;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    // It has lost its file in the meantime.
    return error.code !== "ENXIO";
  }
}

/** Whether a filesystem in a file is mounted, by whomever. */
function isMounted(path: string): boolean {
  for (const { name } of Deno.readDirSync("/sys/block")) {
    if (!name.startsWith("loop")) continue;
    let file: string;
    try {
      file = Deno.readTextFileSync(`/sys/block/${name}/loop/backing_file`);
    } catch {
      continue; // It has no file.
    }
    if (file.trimEnd() === path && isClaimed(`/dev/${name}`)) return true;
  }
  return false;
}

/** Two mounts of one filesystem through two devices destroy it. */
function checkUnused(path: string): void {
  if (!isMounted(path)) return;
  throw new Deno.errors.Busy(
    `Cannot open the filesystem in "${path}": it is mounted`,
  );
}

async function openContent(
  folder: Folder,
  options: { readonly: boolean },
): Promise<{ path: string } & AsyncDisposable> {
  checkUnused(imageOf(folder));
  if (options.readonly) await playJournalBack(folder);
  return await openMounted(folder, options);
}

/** Has what a power cut left in the journal written to its place. */
async function playJournalBack(folder: Folder): Promise<void> {
  if (!needsRecovery(imageOf(folder))) return;
  await using _content = await openMounted(folder, { readonly: false });
}

async function openMounted(
  folder: Folder,
  { readonly }: { readonly: boolean },
): Promise<{ path: string } & AsyncDisposable> {
  const tree = await openMount({
    type: "image",
    source: imageOf(folder),
    fstype: "ext4",
    readonly,
  });
  return {
    path: tree.path,
    [Symbol.asyncDispose]() {
      tree[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

function sizeOf(folder: Folder): number {
  return Deno.statSync(imageOf(folder)).size;
}

/** Makes the filesystem as large as its file. */
async function grow(folder: Folder): Promise<void> {
  const path = imageOf(folder);
  const action = `make the filesystem in "${path}" larger`;
  try {
    await using content = await openMounted(folder, { readonly: false });
    using root = openAt(undefined, content.path, OpenFlag.DIRECTORY);
    const blocks = BigInt(Math.floor(sizeOf(folder) / BLOCK));
    ioctl(root, EXT4_IOC_RESIZE_FS, {
      argument: new Uint8Array(BigUint64Array.of(blocks).buffer),
      name: "EXT4_IOC_RESIZE_FS",
      action,
    });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EPERM") throw error;
    // While it is mounted that takes CAP_SYS_RESOURCE; unmounted in order, it needs no check.
    await runTool("resize2fs", ["-f", path], action);
  }
}

function checkSize(size: number): number {
  if (Number.isSafeInteger(size) && size >= SMALLEST) return size;
  throw new RangeError(
    `Cannot make a snapshot of ${size} bytes in a file: ${SMALLEST} is the least`,
  );
}

function imageBacking(root: string, defaultSize: number): Backing {
  checkFilesystem(root, { driver: "image", refused: {} });
  return {
    capabilities: {
      sizeLimit: { supported: true },
      idmap: { supported: true },
      volatile: { supported: false, reason: "there is no overlay to tell" },
    },
    async create(to, { sizeLimit }) {
      const size = checkSize(sizeLimit ?? defaultSize);
      using file = Deno.createSync(imageOf(to));
      file.truncateSync(size);
      await makeFilesystem(imageOf(to));
      await using content = await openMounted(to, { readonly: false });
      Deno.removeSync(`${content.path}/lost+found`);
    },
    async clone(from, to, { sizeLimit, signal }) {
      const size = sizeOf(from);
      if (sizeLimit !== undefined && sizeLimit < size) {
        throw new RangeError(
          `Cannot limit a snapshot to ${sizeLimit} bytes: its parent has ${size}, and a filesystem does not shrink`,
        );
      }
      await cloneFile(imageOf(from), imageOf(to), { signal });
      if (sizeLimit === undefined || sizeLimit === size) return;
      Deno.truncateSync(imageOf(to), sizeLimit);
      await grow(to);
    },
    open: openContent,
    mount: (folder) => ({
      type: "image",
      source: imageOf(folder),
      fstype: "ext4",
    }),
    async settle(place) {
      if (isMounted(imageOf(place))) {
        throw new Deno.errors.Busy(
          `Cannot commit snapshot "${place.key}": it is mounted, and not all that was written is in its file`,
        );
      }
      // A layer is mounted read-only.
      await playJournalBack(place);
    },
    async usage(folder) {
      const { blocks } = await Deno.stat(imageOf(folder));
      return { size: (blocks ?? 0) * 512 };
    },
    check(folder) {
      try {
        if (Deno.lstatSync(imageOf(folder)).isFile) return undefined;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      return `${imageOf(folder)} is gone`;
    },
    destroy: (dir) => destroyTree(dir),
  };
}

/**
 * Opens the store of snapshots that are each an ext4 filesystem in a file: the
 * size of one is limited whatever the store is on. A child starts as a copy of
 * its parent, which shares blocks on xfs and btrfs.
 *
 * Requires root, and the program mkfs.ext4.
 *
 * @param options Where it is; made if it is not there.
 * @returns The snapshotter; any number of processes may have it open.
 * @throws {Deno.errors.NotSupported} If the filesystem cannot hold it, with the reason.
 *
 * @example Usage
 * ```ts ignore
 * import { openImage } from "@containerkit/snapshot/image";
 *
 * await using snapshots = await openImage({ root: "/var/lib/containerkit" });
 * await using work = await snapshots.prepare("work", undefined, { sizeLimit: 1 << 30 });
 * console.log(work.mounts);
 * ```
 */
export function openImage(
  options: OpenImageOptions = {},
): Promise<Snapshotter> {
  const { size = DEFAULT_SIZE, ...rest } = options;
  checkSize(size);
  return openStore(
    (root) =>
      new WholeDriver(root, {
        name: "image",
        backing: imageBacking(root, size),
      }),
    { ...rest, name: "image" },
  );
}
