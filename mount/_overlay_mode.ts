import { type Fd, openAt, OpenFlag, SyscallError } from "@containerkit/libc";
import { FsContext } from "./_fs_context.ts";

/**
 * How this kernel takes the layers of an overlay:
 * - `detached`: as descriptors, also of mounts that are attached nowhere (Linux 6.15);
 * - `descriptors`: as descriptors of directories (Linux 6.13);
 * - `names`: one name an option (Linux 6.7);
 * - `page`: all names in the one page that mount(2) reads.
 */
export type OverlayMode = "detached" | "descriptors" | "names" | "page";

const EINVAL = 22;

let found: OverlayMode | undefined;

/** Sets what {@linkcode overlayMode} gives, so that a test can take the way of an older kernel; `undefined` looks anew. */
export function forceOverlayMode(mode: OverlayMode | undefined): void {
  found = mode;
}

/** What this kernel can do, looked at once. */
export function overlayMode(): OverlayMode {
  return found ??= takes(detachedLayers)
    ? "detached"
    : takes(directoryDescriptor)
    ? "descriptors"
    : takes(layerName)
    ? "names"
    : "page";
}

function takes(probe: () => void): boolean {
  try {
    probe();
    return true;
  } catch (error) {
    // Any number: kernels differ in how they refuse what they do not know.
    if (error instanceof SyscallError) return false;
    throw error;
  }
}

/** A small filesystem in memory, attached nowhere. */
function emptyLayer(): Fd {
  using context = new FsContext("tmpfs");
  context.set("size", "4096");
  context.create();
  return context.mount(0);
}

function detachedLayers(): void {
  using a = emptyLayer();
  using b = emptyLayer();
  using context = new FsContext("overlay");
  context.setFd("lowerdir+", a);
  context.setFd("lowerdir+", b);
  context.create();
}

function directoryDescriptor(): void {
  using directory = openAt(
    undefined,
    "/",
    OpenFlag.PATH | OpenFlag.DIRECTORY,
  );
  using context = new FsContext("overlay");
  context.setFd("lowerdir+", directory);
}

function layerName(): void {
  using context = new FsContext("overlay");
  context.set("lowerdir+", "/");
  // Before Linux 6.5 every word is taken, and only looked at when the overlay is made.
  if (takes(() => context.flag("containerkit"))) {
    throw new SyscallError("probe", { syscall: "fsconfig", errno: EINVAL });
  }
}
