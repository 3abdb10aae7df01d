import { ioctl, openAt, OpenFlag, SyscallError } from "@containerkit/libc";
import {
  LoopDevice,
  mount,
  needsRecovery,
  statMount,
} from "@containerkit/mount";
import { lockFile, tryLockFile } from "@containerkit/state";
import type { Place, VolumeDriver } from "./_driver.ts";
import { filesystemUsage } from "./_filesystem_usage.ts";
import { imageOf } from "./_folders.ts";
import type { Limits } from "./_row.ts";
import { runProgram } from "./_run_program.ts";

const FIFREEZE = 0xc0045877;
const FITHAW = 0xc0045878;

/** The smallest images that the programs make. */
const SMALLEST = { ext4: 256 * 1024, xfs: 300 * 1024 * 1024 } as const;

function fstypeOf({ row }: Place): "ext4" | "xfs" {
  return row.options.fstype ?? "ext4";
}

/** xfs mounts no two filesystems of one uuid, as an image and its clone have, unless told. */
function mountOptions(place: Place): string[] {
  return fstypeOf(place) === "xfs" ? ["nouuid"] : [];
}

async function makeFilesystem(
  place: Place,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { row, folder } = place;
  const image = imageOf(folder);
  const [command, args] = fstypeOf(place) === "xfs"
    ? ["mkfs.xfs", ["-q", "-f"]] as const
    : ["mkfs.ext4", [
      "-q",
      "-F",
      // Discarding a new sparse file frees nothing; zeroing it later would fill it.
      "-E",
      "nodiscard,lazy_itable_init=1,lazy_journal_init=1",
      ...(row.inodes === undefined ? [] : ["-N", String(row.inodes)]),
    ]] as const;
  await runProgram(
    `make volume "${row.name}"`,
    command,
    [...args, image],
    signal,
  );
}

/** The size to grow to, or `undefined` if it has that size. The file may be larger than was noted, where a process died. */
function checkedSize(
  { row, folder }: Place,
  { size, inodes }: Limits,
): number | undefined {
  if (inodes !== undefined) {
    throw new Deno.errors.NotSupported(
      `Cannot change the inodes of volume "${row.name}": an image has them from its making`,
    );
  }
  if (size === undefined || size === row.size) return undefined;
  const current = Math.max(row.size!, Deno.statSync(imageOf(folder)).size);
  if (size >= current) return size;
  throw new RangeError(
    `Cannot resize volume "${row.name}" to ${size} bytes: an image grows only, and has ${current}`,
  );
}

/** A filesystem in a sparse file, through a loop device: a limit on any filesystem. */
export const imageDriver: VolumeDriver = {
  kind: "image",
  staging: "attached",
  check({ size, inodes, fstype }) {
    if (size === undefined) {
      throw new TypeError(
        'Cannot make a volume of kind "image" without a size',
      );
    }
    if (inodes !== undefined && fstype === "xfs") {
      throw new TypeError(
        "Cannot limit the inodes of an image of xfs: it makes them as they are needed; ext4 has a number of them",
      );
    }
  },
  async create(place, signal) {
    const { row, folder } = place;
    const smallest = SMALLEST[fstypeOf(place)];
    if (row.size! < smallest) {
      throw new RangeError(
        `Cannot make volume "${row.name}" of ${row.size} bytes: ${
          fstypeOf(place)
        } needs ${smallest}`,
      );
    }
    using file = await Deno.open(imageOf(folder), {
      write: true,
      createNew: true,
      mode: 0o600,
    });
    await file.truncate(row.size!);
    await makeFilesystem(place, signal);
    await file.sync();
  },
  mounts: (place) => [{
    type: "image",
    source: imageOf(place.folder),
    fstype: fstypeOf(place),
    options: mountOptions(place),
  }],
  reuse(place) {
    const device = deviceOf(imageOf(place.folder));
    if (device === undefined) return undefined;
    return {
      mounts: [{
        type: "raw",
        fstype: fstypeOf(place),
        source: device.path,
        options: mountOptions(place),
      }],
      [Symbol.dispose]: () => device[Symbol.dispose](),
    };
  },
  usage: ({ staged }) => filesystemUsage(staged!),
  async resize(place, limits) {
    const size = checkedSize(place, limits);
    if (size === undefined) return;
    const image = imageOf(place.folder);
    const before = Deno.statSync(image).size;
    const device = statMount(place.staged!).source;
    const setSize = async (bytes: number) => {
      await Deno.truncate(image, bytes);
      using loop = new LoopDevice(device, openAt(undefined, device));
      loop.refreshSize();
    };
    await setSize(size);
    const action = `resize volume "${place.row.name}" while it is used`;
    if (fstypeOf(place) === "xfs") {
      await runProgram(action, "xfs_growfs", ["-d", place.staged!]);
      return;
    }
    try {
      await runProgram(action, "resize2fs", [device]);
    } catch (cause) {
      if (!/Permission denied/.test(String(cause))) throw cause;
      // The filesystem is as large as before.
      await setSize(before);
      throw new Deno.errors.NotSupported(
        `Cannot ${action}: ext4 asks for CAP_SYS_RESOURCE then, which this process does not have`,
        { cause },
      );
    }
  },
  async resizeUnused(place, limits) {
    const size = checkedSize(place, limits);
    // xfs grows only while it is mounted.
    if (fstypeOf(place) === "xfs") return false;
    if (size === undefined) return true;
    const image = imageOf(place.folder);
    using device = deviceOf(image);
    // Mounted elsewhere: then it grows in use.
    if (device !== undefined) return false;
    const action = `resize volume "${place.row.name}"`;
    // Else resize2fs would have what is in the journal written over its own.
    if (needsRecovery(image)) {
      await using _mounted = await mount(
        imageDriver.mounts(place),
        place.staged!,
      );
    }
    await Deno.truncate(image, size);
    // Unmounted in order, it needs no check; one would put lost+found back.
    await runProgram(action, "resize2fs", ["-f", image]);
    return true;
  },
  settle(place) {
    // A process that died while it copied left the filesystem frozen: its users
    // would wait for ever, and unmounted it would keep its loop device.
    using lock = tryLockFile(freezeLock(place));
    if (lock !== undefined) thaw(place.staged!);
  },
  async clone(from, to, signal) {
    await whileFrozen(
      from as Place & { staged: string },
      signal,
      () =>
        runProgram(`clone volume "${from.row.name}"`, "cp", [
          "--reflink=auto",
          "--sparse=always",
          imageOf(from.folder),
          imageOf(to.folder),
        ], signal),
    );
    using file = await Deno.open(imageOf(to.folder), { write: true });
    await file.sync();
  },
};

/**
 * The loop device that still shows an image, held open: a mount of it gets the
 * filesystem that others have mounted, where a second device would get a second
 * one over the same bytes.
 */
function deviceOf(image: string): LoopDevice | undefined {
  const path = Deno.realPathSync(image);
  const backing = (name: string) => {
    try {
      return Deno.readTextFileSync(`/sys/block/${name}/loop/backing_file`)
        .trimEnd();
    } catch {
      return undefined; // it has none
    }
  };
  for (const { name } of Deno.readDirSync("/sys/block")) {
    if (!name.startsWith("loop") || backing(name) !== path) continue;
    const device = new LoopDevice(
      `/dev/${name}`,
      openAt(undefined, `/dev/${name}`),
    );
    // Held from here on; it may have been freed just before.
    if (backing(name) === path) return device;
    device[Symbol.dispose]();
  }
  return undefined;
}

/** Held while the filesystem is frozen: whoever gets it knows that nobody copies. */
function freezeLock({ folder }: Place): string {
  return `${folder}/freeze.lock`;
}

/** Lets writes go on, if they are held back; see ioctl_fifreeze(2). */
function thaw(target: string): void {
  using root = openAt(undefined, target, OpenFlag.DIRECTORY);
  try {
    ioctl(root, FITHAW, { name: "FITHAW", path: target });
  } catch (error) {
    // It was not frozen.
    if (!(error instanceof SyscallError) || error.code !== "EINVAL") {
      throw error;
    }
  }
}

/** Holds back writes, so that a copy of the image is one moment of it. */
async function whileFrozen(
  place: Place & { staged: string },
  signal: AbortSignal | undefined,
  fn: () => Promise<void>,
): Promise<void> {
  using _lock = await lockFile(
    freezeLock(place),
    signal === undefined ? {} : { signal },
  );
  thaw(place.staged);
  using root = openAt(undefined, place.staged, OpenFlag.DIRECTORY);
  ioctl(root, FIFREEZE, { name: "FIFREEZE", path: place.staged });
  try {
    await fn();
  } finally {
    thaw(place.staged);
  }
}
