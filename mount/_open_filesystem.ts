import { type Fd, SyscallError } from "@containerkit/libc";
import { attributeFlags } from "./_flags.ts";
import { FsContext } from "./_fs_context.ts";
import { createOnPool } from "./_long_calls.ts";
import { type LoopDevice, openLoopDevice } from "./loop_device.ts";
import type {
  BtrfsMount,
  ErofsMount,
  ImageMount,
  MountAttributes,
  TmpfsMount,
} from "./mount.ts";

const ENOTBLK = 15;

/** What a filesystem is made of. */
export interface Filesystem {
  readonly type: string;
  /** Sets the options. */
  configure(context: FsContext): void;
  /** Whether the filesystem itself, not only this mount of it, refuses writes. */
  readonly isReadonly?: boolean;
}

/** Makes a filesystem and a mount of it that is attached nowhere. */
export function openFilesystem(
  { type, configure, isReadonly = false }: Filesystem,
  attributes: MountAttributes,
): Fd {
  using context = new FsContext(type);
  configure(context);
  if (isReadonly) context.flag("ro");
  context.create();
  return context.mount(attributeFlags(attributes, "own").set);
}

/** The same for one on a block device, which takes as long as the device does: on another thread. */
export async function openLargeFilesystem(
  filesystem: Filesystem,
  attributes: MountAttributes,
): Promise<Fd> {
  {
    using context = new FsContext(filesystem.type);
    filesystem.configure(context);
    if (filesystem.isReadonly) context.flag("ro");
    if (await createOnPool(context.fd.number)) {
      return context.mount(attributeFlags(attributes, "own").set);
    }
  }
  // Once more from here, to learn why not.
  return openFilesystem(filesystem, attributes);
}

export function tmpfs(mount: TmpfsMount): Filesystem {
  return {
    type: "tmpfs",
    configure(context) {
      context.set("source", "tmpfs");
      if (mount.size !== undefined) context.set("size", String(mount.size));
      if (mount.mode !== undefined) {
        context.set("mode", mount.mode.toString(8));
      }
    },
  };
}

export function btrfs(mount: BtrfsMount): Filesystem {
  return {
    type: "btrfs",
    configure(context) {
      context.setPath("source", mount.device);
      context.set("subvolid", String(mount.subvolid));
    },
  };
}

/** Sets options as mount(8) takes them: `key=value`, or a word alone. */
export function setOptions(
  context: FsContext,
  options: readonly string[],
): void {
  for (const option of options) {
    const equals = option.indexOf("=");
    if (equals === -1) context.flag(option);
    else context.set(option.slice(0, equals), option.slice(equals + 1));
  }
}

function erofs(source: string, devices: readonly string[]): Filesystem {
  return {
    type: "erofs",
    isReadonly: true,
    configure(context) {
      context.setPath("source", source);
      for (const device of devices) context.setPath("device", device);
    },
  };
}

/** From the files themselves (Linux 6.12), else through loop devices. */
export function openErofs(mount: ErofsMount): Fd {
  const { source, devices = [] } = mount;
  try {
    return openFilesystem(erofs(source, devices), mount);
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === ENOTBLK)) {
      throw error;
    }
  }
  using stack = new DisposableStack();
  const [first, ...rest] = [source, ...devices].map((file) =>
    stack.use(openLoopDevice(file, { readonly: true })).path
  );
  return openFilesystem(erofs(first!, rest), mount);
}

export function image(mount: ImageMount, device: LoopDevice): Filesystem {
  const isReadonly = isReadonlyImage(mount);
  return {
    type: mount.fstype,
    isReadonly,
    configure(context) {
      context.set("source", device.path);
      setOptions(
        context,
        (mount.options ?? []).filter((option) => option !== "ro"),
      );
    },
  };
}

export function isReadonlyImage(mount: ImageMount): boolean {
  return mount.fstype === "squashfs" || Boolean(mount.readonly) ||
    (mount.options ?? []).includes("ro");
}
