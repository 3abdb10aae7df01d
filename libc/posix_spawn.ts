/**
 * Starting programs.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { spawnCalls } from "./_spawn_calls.ts";
import { Arena } from "./arena.ts";
import { cString } from "./c_string.ts";
import { Fd } from "./fd.ts";
import { fcntl, FcntlCommand } from "./fcntl.ts";
import { OpenFlag } from "./open_at.ts";
import { pidfdOpen } from "./pidfd_open.ts";
import { waitId } from "./wait_id.ts";

/** More than `posix_spawnattr_t` and `posix_spawn_file_actions_t` take. */
const STRUCT_SIZE = 512;
const SIGSET_SIZE = 128;
const SIGNALS = 64;
const SIGKILL = 9;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;

/** Options of {@linkcode posixSpawn}. */
export interface PosixSpawnOptions {
  /** Descriptors of the program from 0 on; `"ignore"` is `/dev/null`. It gets no others that are close-on-exec. */
  readonly stdio: readonly (number | "ignore")[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Its working directory.
   *
   * @default {that of this program}
   */
  readonly cwd?: string;
  /**
   * Makes it the leader of a new session.
   *
   * @default {false}
   */
  readonly newSession?: boolean;
}

/** A program that was started. */
export interface SpawnedProcess {
  /** Its number. */
  readonly pid: number;
  /** Holds it; readable once it has ended. */
  readonly pidfd: Fd;
}

/**
 * Starts a program, as posix_spawn(3) does: without a copy of this one, which is
 * what makes `fork()` slow in a large program. No signal is ignored or blocked in
 * it, whatever is here. Nobody but the caller waits for it:
 * `waitReadable()` for the pidfd, then {@linkcode waitId}.
 *
 * @param command The program, looked for in `PATH` if it has no slash.
 * @param args What follows its name.
 * @param options Descriptors, environment, folder and session.
 * @returns The process; close its pidfd.
 * @throws {SyscallError} If it cannot be started: `ENOENT` if there is none, `EMFILE` if no descriptor is left for it.
 *
 * @example Usage
 * ```ts
 * import { posixSpawn, waitId, waitReadable } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const stdio = ["ignore", "ignore", "ignore"] as const;
 * const { pidfd } = posixSpawn("sh", ["-c", "exit 7"], { stdio, env: {} });
 * using _ = pidfd;
 * await waitReadable(pidfd);
 * assertEquals(waitId(pidfd)?.status, 7);
 * ```
 */
export function posixSpawn(
  command: string,
  args: readonly string[],
  options: PosixSpawnOptions,
): SpawnedProcess {
  const calls = spawnCalls();
  const { stdio, env, cwd, newSession = false } = options;
  const check = (code: number) => {
    if (code !== 0) throw failure(code, "posix_spawnp", `start "${command}"`);
  };
  using stack = new DisposableStack();
  const actions = new Uint8Array(STRUCT_SIZE);
  check(calls.posix_spawn_file_actions_init(actions));
  stack.defer(() => void calls.posix_spawn_file_actions_destroy(actions));
  for (const [target, source] of stdio.entries()) {
    check(
      source === "ignore"
        ? calls.posix_spawn_file_actions_addopen(
          actions,
          target,
          cString("/dev/null"),
          OpenFlag.RDWR,
          0,
        )
        : calls.posix_spawn_file_actions_adddup2(
          actions,
          // Out of the way of what is put at the low numbers, one after another.
          source < stdio.length
            ? stack.use(duplicate(source, stdio.length)).number
            : source,
          target,
        ),
    );
  }
  if (cwd !== undefined) {
    check(calls.posix_spawn_file_actions_addchdir_np(actions, cString(cwd)));
  }
  const attributes = new Uint8Array(STRUCT_SIZE);
  check(calls.posix_spawnattr_init(attributes));
  stack.defer(() => void calls.posix_spawnattr_destroy(attributes));
  const signals = new Uint8Array(SIGSET_SIZE);
  // What is ignored stays so in what is started: Deno ignores some, `nohup` and a shell's `&` others.
  signals.fill(0xff, 0, SIGNALS / 8);
  check(calls.posix_spawnattr_setsigdefault(attributes, signals));
  const flags = SETSIGDEF | SETSIGMASK | (newSession ? SETSID : 0);
  check(calls.posix_spawnattr_setflags(attributes, flags));
  const number = new Int32Array(1);
  check(calls.posix_spawnp(
    number,
    cString(command),
    actions,
    attributes,
    cStrings([command, ...args]),
    cStrings(Object.entries(env).map(([name, value]) => `${name}=${value}`)),
  ));
  const pid = number[0]!;
  try {
    return { pid, pidfd: pidfdOpen(pid) };
  } catch (error) {
    // No descriptor is left, and without one nobody could wait for it.
    calls.kill(pid, SIGKILL);
    waitId(pid, { block: true });
    throw error;
  }
}

/** A second descriptor of the same file, at some number or above. */
function duplicate(number: number, from: number): Fd {
  const borrowed = new Fd(number);
  try {
    return new Fd(fcntl(borrowed, FcntlCommand.DUPFD_CLOEXEC, from));
  } finally {
    borrowed.release();
  }
}

/** A list of strings for C: pointers, a null, and behind them the strings. */
function cStrings(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  const table = (texts.length + 1) * 8;
  // UTF-8 takes at most three bytes for each unit of UTF-16; each string is padded.
  const size = texts.reduce((sum, { length }) => sum + 3 * length + 8, table);
  const arena = new Arena(Math.max(128, size));
  arena.allocate(table);
  for (const [index, text] of texts.entries()) {
    const start = arena.string(text);
    arena.view.setBigUint64(index * 8, arena.addressOf(start), true);
  }
  return arena.bytes;
}
