import { bootId } from "@containerkit/state";

/** A process, told from a later one with the same number. */
export interface ProcessIdentity {
  readonly boot: string;
  readonly pid: number;
  /** When it was started, in ticks since the boot: field 22 of proc_pid_stat(5). */
  readonly start: string;
}

function startOf(pid: number): string | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // One that has ended stays until its parent has asked how, which some never do.
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

let self: ProcessIdentity | undefined;

/** This process. */
export function currentProcess(): ProcessIdentity {
  self ??= { boot: bootId(), pid: Deno.pid, start: startOf(Deno.pid)! };
  return self;
}

/** Another process, or `undefined` if there is none of that number. */
export function identify(pid: number): ProcessIdentity | undefined {
  const start = startOf(pid);
  return start === undefined ? undefined : { boot: bootId(), pid, start };
}

/** Whether it still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  return process.boot === bootId() && startOf(process.pid) === process.start;
}
