/**
 * Block devices made of files.
 *
 * @module
 */

import {
  Fd,
  ioctl,
  openAt,
  OpenFlag,
  struct,
  SyscallError,
} from "@containerkit/libc";

const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CLR_FD = 0x4c01;
const LOOP_SET_CAPACITY = 0x4c07;
const LOOP_CTL_GET_FREE = 0x4c82;
const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;
const LO_FLAGS_DIRECT_IO = 16;
const EBUSY = 16;
const ATTEMPTS = 100;

/** `struct loop_config` with its `struct loop_info64`. */
const config = struct({
  fd: "u32",
  blockSize: "u32",
  device: "u64",
  inode: "u64",
  rdevice: "u64",
  offset: "u64",
  sizelimit: "u64",
  number: "u32",
  encryptType: "u32",
  encryptKeySize: "u32",
  flags: "u32",
  fileName: { bytes: 64 },
  cryptName: { bytes: 64 },
  encryptKey: { bytes: 32 },
  init: { bytes: 16 },
  reserved: { bytes: 64 },
}, 304);

/** Options of {@linkcode openLoopDevice}. */
export interface LoopOptions {
  /**
   * Refuses writes.
   *
   * @default {false}
   */
  readonly?: boolean;
  /**
   * Reads and writes around the page cache of the file.
   *
   * @default {false}
   */
  direct?: boolean;
  /**
   * Where in the file it starts, in bytes.
   *
   * @default {0}
   */
  offset?: number;
  /** How many bytes of the file it shows; by default the rest. */
  size?: number;
}

/**
 * A loop device. The kernel frees it when nothing has it open or mounted any more, also when this process dies.
 *
 * @example Usage
 * ```ts ignore
 * import { openLoopDevice } from "@containerkit/mount";
 *
 * using device = openLoopDevice("/srv/disk.img");
 * console.log(device.path);
 * ```
 */
export class LoopDevice implements Disposable {
  /** Such as `/dev/loop0`. */
  readonly path: string;
  /** The open device. */
  readonly fd: Fd;

  /**
   * Takes ownership of an open loop device.
   *
   * @param path Its path.
   * @param fd Its descriptor.
   */
  constructor(path: string, fd: Fd) {
    this.path = path;
    this.fd = fd;
  }

  /**
   * Takes over the size of the file after it changed.
   *
   * @throws {SyscallError} If the kernel refuses.
   */
  refreshSize(): void {
    ioctl(this.fd, LOOP_SET_CAPACITY, {
      name: "LOOP_SET_CAPACITY",
      action: `take over the size for ${this.path}`,
    });
  }

  /** Closes it: the kernel frees it once nothing is mounted from it. */
  [Symbol.dispose](): void {
    this.fd.close();
  }
}

/**
 * Makes a block device of a file, as losetup(8) does.
 *
 * @param file The file, by path or descriptor.
 * @param options Which part, and how.
 * @returns The device; keep it open until what is on it is mounted.
 * @throws {SyscallError} If the kernel refuses, also when all devices are in use.
 *
 * @example Usage
 * ```ts ignore
 * import { openLoopDevice } from "@containerkit/mount";
 *
 * using device = openLoopDevice("/srv/disk.img", { readonly: true });
 * console.log(device.path);
 * ```
 */
export function openLoopDevice(
  file: string | Fd,
  options: LoopOptions = {},
): LoopDevice {
  const { readonly = false, direct = false, offset = 0, size = 0 } = options;
  const mode = readonly ? OpenFlag.RDONLY : OpenFlag.RDWR;
  if (file instanceof Fd) return attach(file, `descriptor ${file.number}`);
  using backing = openAt(undefined, file, mode);
  return attach(backing, file);

  function attach(backing: Fd, name: string): LoopDevice {
    using loopControl = openControl();
    const argument = config.encode({
      fd: backing.number,
      offset: BigInt(offset),
      sizelimit: BigInt(size),
      flags: LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0) |
        (direct ? LO_FLAGS_DIRECT_IO : 0),
      fileName: new TextEncoder().encode(name).subarray(0, 63),
    });
    for (let attempt = 1;; attempt++) {
      const number = ioctl(loopControl, LOOP_CTL_GET_FREE, {
        name: "LOOP_CTL_GET_FREE",
        action: `make a block device of "${name}"`,
        path: name,
      });
      const path = `/dev/loop${number}`;
      const fd = openAt(undefined, path, mode);
      try {
        ioctl(fd, LOOP_CONFIGURE, {
          argument,
          name: "LOOP_CONFIGURE",
          action: `make a block device of "${name}"`,
          path: name,
        });
        return new LoopDevice(path, fd);
      } catch (error) {
        fd.close();
        // Somebody took it between the two calls.
        const isTaken = error instanceof SyscallError &&
          error.errno === EBUSY;
        if (!isTaken || attempt === ATTEMPTS) throw error;
      }
    }
  }
}

function openControl(): Fd {
  try {
    return openAt(undefined, "/dev/loop-control", OpenFlag.RDWR);
  } catch (error) {
    throw new Deno.errors.NotSupported(
      "Cannot make a block device of a file: /dev/loop-control is missing",
      { cause: error },
    );
  }
}

/**
 * Takes the file from a loop device that another program left without autoclear.
 *
 * @param path The device, such as `/dev/loop0`.
 * @throws {SyscallError} If the kernel refuses: `ENXIO` if it has no file.
 *
 * @example Usage
 * ```ts ignore
 * import { clearLoopDevice } from "@containerkit/mount";
 *
 * clearLoopDevice("/dev/loop7");
 * ```
 */
export function clearLoopDevice(path: string): void {
  using fd = openAt(undefined, path);
  ioctl(fd, LOOP_CLR_FD, {
    name: "LOOP_CLR_FD",
    action: `free the block device "${path}"`,
    path,
  });
}
