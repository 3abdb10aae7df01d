import { errno, type Fd, struct, SyscallError } from "@containerkit/libc";
import { withFile } from "./_project.ts";
import { explainQuota } from "./_quota_reason.ts";
import { symbols, Sys } from "./_symbols.ts";

const PRJQUOTA = 2;
/** Commands for projects. */
export const Q_GETQUOTA: number = (0x800007 << 8) | PRJQUOTA;
export const Q_SETQUOTA: number = (0x800008 << 8) | PRJQUOTA;
/** Limits of space are in units of 1 KiB. */
export const UNIT = 1024;

/** `struct if_dqblk`: limits and use. */
export const dqblk = struct({
  bhardlimit: "u64",
  bsoftlimit: "u64",
  curspace: "u64",
  ihardlimit: "u64",
  isoftlimit: "u64",
  curinodes: "u64",
  btime: "u64",
  itime: "u64",
  valid: "u32",
}, 72);

/** Asks or tells the kernel about the quota of a project; see quotactl(2). */
export function quotactl(
  file: string | Fd,
  command: number,
  { project, argument, action }: {
    project: number;
    argument: Uint8Array<ArrayBuffer>;
    action: string;
  },
): void {
  withFile(file, (fd) => {
    const result = symbols().quotactl_fd(
      Sys.QUOTACTL_FD,
      fd.number,
      command >>> 0,
      project,
      argument,
    );
    if (result === 0) return;
    const code = errno();
    throw new SyscallError(action, {
      syscall: "quotactl_fd",
      errno: code,
      path: typeof file === "string" ? file : undefined,
      detail: explainQuota(code),
    });
  });
}
