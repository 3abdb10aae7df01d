/** Of the kernel's flags of a process. */
const PF_EXITING = 4;

/** What `/proc/<pid>/stat` tells, see proc_pid_stat(5). */
export interface ProcessStat {
  /** Name of its program, cut after 15 bytes. */
  readonly name: string;
  /** `Z` is a zombie. */
  readonly state: string;
  /** Whether it is about to be a zombie: the first of a pid namespace waits for the end of the others. */
  readonly isExiting: boolean;
  /** Parent. */
  readonly parent: number;
  /** Session. */
  readonly session: number;
  /** Ticks after the boot, which together with the pid names a process for good. */
  readonly startTime: number;
  /** As wait(2) gives it; only of a zombie. */
  readonly exitCode: number;
}

/** Reads it; `undefined` when there is no such process. */
export function processStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch {
    return undefined; // ENOENT, or ESRCH when it goes between open and read
  }
  // The name may hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).trim().split(" ");
  return {
    name: text.slice(text.indexOf("(") + 1, text.lastIndexOf(")")),
    state: fields[0]!,
    isExiting: (Number(fields[6]) & PF_EXITING) !== 0,
    parent: Number(fields[1]),
    session: Number(fields[3]),
    startTime: Number(fields[19]),
    exitCode: Number(fields[49]),
  };
}

/** Whether a process is there, or has ended and was not reaped. */
export const isUnreaped = (
  { pid, startTime }: { readonly pid: number; readonly startTime: number },
): boolean => processStat(pid)?.startTime === startTime;
