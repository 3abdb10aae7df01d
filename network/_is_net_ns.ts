import { CloneFlag, type Fd, ioctl, SyscallError } from "@containerkit/libc";

const NS_GET_NSTYPE = 0xb703;

/** Whether a descriptor is of a network namespace; any other file refuses the question. */
export function isNetNs(fd: Fd): boolean {
  try {
    return ioctl(fd, NS_GET_NSTYPE) === CloneFlag.NEWNET;
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
}
