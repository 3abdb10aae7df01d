import {
  type ChildExit,
  type Fd,
  ioctl,
  SyscallError,
  waitId,
  waitReadable,
} from "@containerkit/libc";
import { ExitLostError } from "./exit_lost_error.ts";
import { processStat } from "./_process_stat.ts";
import { signalName } from "./_signals.ts";

/** `_IOWR(0xFF, 11, struct pidfd_info)`, 64 bytes; see ioctl_pidfd(2). */
const PIDFD_GET_INFO = 0xc040ff0b;
const INFO_SIZE = 64;
const INFO_EXIT = 8n;
const EXIT_CODE_OFFSET = 60;
/** Whoever must reap it takes its time; the kernel tells of neither. */
const POLL_MS = 5;
/** The same limit as for a process that is stuck in the kernel. */
const POLLS = 2000;

/** How a process ended. */
export interface Exit {
  /** Exit code, 128 and the signal's number if one ended it. */
  readonly code: number;
  /** The signal that ended it. */
  readonly signal: Deno.Signal | null;
}

/** How it ended, and when. */
export interface KnownExit extends Exit {
  /** As RFC 3339 in UTC. */
  readonly exitedAt: string;
}

function ofChild({ reason, status }: ChildExit): Exit {
  return reason === "exited"
    ? { code: status, signal: null }
    : { code: 128 + status, signal: signalName(status) };
}

/** Takes apart what wait(2) gives. */
function ofWaitStatus(status: number): Exit {
  const signal = status & 0x7f;
  return signal === 0
    ? { code: (status >> 8) & 0xff, signal: null }
    : { code: 128 + signal, signal: signalName(signal) };
}

/** Looks at a child without reaping it; `undefined` when it is not our child. */
function peekChild(pidfd: Fd): Exit | undefined {
  try {
    const child = waitId(pidfd, { keep: true });
    return child === undefined ? undefined : ofChild(child);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ECHILD") {
      return undefined;
    }
    throw error;
  }
}

/** What the kernel keeps for those who hold a pidfd, from Linux 6.15 on. */
function pidfdExit(pidfd: Fd): Exit | "unsupported" | undefined {
  const info = new Uint8Array(INFO_SIZE);
  const view = new DataView(info.buffer);
  view.setBigUint64(0, INFO_EXIT, true);
  try {
    ioctl(pidfd, PIDFD_GET_INFO, {
      argument: info,
      name: "PIDFD_GET_INFO",
      action: "ask for the exit code of a process",
    });
  } catch (error) {
    if (error instanceof SyscallError && error.code === "ESRCH") {
      return undefined;
    }
    return "unsupported";
  }
  return (view.getBigUint64(0, true) & INFO_EXIT) === 0n
    ? undefined
    : ofWaitStatus(view.getInt32(EXIT_CODE_OFFSET, true));
}

/**
 * Waits until a process has ended and tells how. It is not reaped: who is its
 * parent does that by {@linkcode reap} once the exit is recorded.
 *
 * @throws {ExitLostError} If nothing knows any more how it ended.
 */
export async function waitExit(
  pidfd: Fd,
  process: { readonly pid: number; readonly startTime: number },
  options: { readonly signal?: AbortSignal } = {},
): Promise<Exit> {
  await waitReadable(pidfd, options);
  for (let poll = 0; poll < POLLS; poll++) {
    const child = peekChild(pidfd);
    if (child !== undefined) return child;
    const stat = processStat(process.pid);
    const same = stat?.startTime === process.startTime;
    if (same && stat?.state === "Z") return ofWaitStatus(stat.exitCode);
    const kept = pidfdExit(pidfd);
    if (typeof kept === "object") return kept;
    if (kept === "unsupported" && !same) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    options.signal?.throwIfAborted();
  }
  throw new ExitLostError(process.pid);
}

/** Lets the kernel forget a child that has ended; for another's child nothing happens. */
export function reap(pidfd: Fd): void {
  try {
    waitId(pidfd);
  } catch (error) {
    if (!(error instanceof SyscallError && error.code === "ECHILD")) {
      throw error;
    }
  }
}
