import { pidfdOpen, pidfdSendSignal, SyscallError } from "@containerkit/libc";

/** Signals a process if it is the one that is meant: its number may be another's by now. One that has gone is fine. */
export function signalIf(
  pid: number,
  signal: number,
  isMeant: () => boolean,
): void {
  try {
    using pidfd = pidfdOpen(pid);
    // Asked of the one that is held.
    if (isMeant()) pidfdSendSignal(pidfd, signal);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}
