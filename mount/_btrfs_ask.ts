import { type Fd, ioctl, SyscallError } from "@containerkit/libc";

/** Asks btrfs by ioctl(2), with its own reasons in the error. */
export function ask(
  fd: Fd,
  request: number,
  { argument, name, action, path }: {
    argument: Uint8Array<ArrayBuffer>;
    name: string;
    action: string;
    path: string;
  },
): void {
  try {
    ioctl(fd, request, { argument, name, action, path });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SyscallError(action, {
      syscall: error.syscall,
      errno: error.errno,
      path,
      detail: explain(error.code, action),
    });
  }
}

function explain(code: string, action: string): string | undefined {
  switch (code) {
    case "ENOTTY":
      return "it is not on btrfs";
    case "ENOTEMPTY":
      return "another subvolume is below it";
    case "ENOTCONN":
      return "quotas are off: enableQuota() turns them on";
    case "EXDEV":
      return "they are on two filesystems";
    case "EINVAL":
      return action.startsWith("turn on the quotas")
        ? "the simple way needs Linux 6.7"
        : undefined;
    default:
      return undefined;
  }
}
