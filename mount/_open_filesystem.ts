import { type Fd, SyscallError } from "@containerkit/libc";
import { erofs, type Filesystem } from "./_filesystems.ts";
import { attributeFlags } from "./_flags.ts";
import { FsContext } from "./_fs_context.ts";
import { createOnPool } from "./_long_calls.ts";
import { openLoopDevice } from "./loop_device.ts";
import type { ErofsMount, MountAttributes } from "./mount.ts";

const ENOTBLK = 15;

/** Makes a filesystem and a mount of it that is attached nowhere. */
export function openFilesystem(
  { type, file, configure, isReadonly = false }: Filesystem,
  attributes: MountAttributes,
): Fd {
  using context = new FsContext(type, file);
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
    using context = new FsContext(filesystem.type, filesystem.file);
    filesystem.configure(context);
    if (filesystem.isReadonly) context.flag("ro");
    if (await createOnPool(context.fd.number)) {
      return context.mount(attributeFlags(attributes, "own").set);
    }
  }
  // Once more from here, to learn why not.
  return openFilesystem(filesystem, attributes);
}

/** Makes one of erofs from the files themselves (Linux 6.12), else through loop devices. */
export async function makeErofs<T>(
  mount: ErofsMount,
  make: (filesystem: Filesystem) => T | Promise<T>,
): Promise<T> {
  const { source, devices = [] } = mount;
  try {
    return await make(erofs(source, devices));
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === ENOTBLK)) {
      throw error;
    }
  }
  using stack = new DisposableStack();
  const [first, ...rest] = [source, ...devices].map((file) =>
    stack.use(openLoopDevice(file, { readonly: true })).path
  );
  return await make({ ...erofs(first!, rest), file: source });
}
