import { type Fd, openAt, OpenFlag, SyscallError } from "@containerkit/libc";

/**
 * Opens `/dev/null` by a read-only mount of its own. crun makes the user of a process the owner of what it is handed,
 * which would be the host's device: here that is refused, and crun takes no notice.
 *
 * @returns `undefined` where this program may not mount: nor may crun change the owner then.
 */
export async function openGuardedNull(): Promise<Fd | undefined> {
  // Loaded when it is needed: modules are memory, and a monitor of runc's containers does without.
  const { open } = await import("@containerkit/mount");
  try {
    using mounted = await open({
      type: "bind",
      source: "/dev/null",
      readonly: true,
    });
    return openAt(undefined, mounted.path, OpenFlag.RDWR);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EPERM") {
      return undefined;
    }
    throw error;
  }
}
