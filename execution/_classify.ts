import type { RuntimeErrorCode } from "./runtime_error.ts";

/** Words of runc, crun and youki by what they mean; the first that matches holds. */
const PATTERNS: readonly (readonly [RuntimeErrorCode, RegExp])[] = [
  ["NotSupported", /CRIU version check|criu failed|CRIU \w+ failed/i],
  [
    "CommandNotFound",
    /executable file (`[^`]*` )?not found|exec: .*(no such file|not found|permission denied|is a directory)|no such file or directory: unknown|open executable: /i,
  ],
  // "container with id exists" is older runc's; crun names the id.
  [
    "AlreadyExists",
    /container with (given )?id(:| )?.*exists|container `[^`]*` already exists|already exists: container/i,
  ],
  [
    "NotFound",
    /container (`[^`]*` )?does not exist|error opening file `[^`]*\/status`|cannot open directory [`'][^`']*[`']: No such file|container "?[^ "]*"? not found/i,
  ],
  [
    "AlreadyRunning",
    /already running container|cannot open `[^`]*exec\.fifo`|container `[^`]*` is not in the created state/i,
  ],
  [
    "Paused",
    /in a paused container|container `[^`]*` is paused|container is paused/i,
  ],
  ["NotPaused", /container not paused/i],
  [
    "NotStopped",
    /that is not stopped|not in `?created`? or `?stopped`? state/i,
  ],
  [
    "NotRunning",
    /container not running|in a stopped container|container that has stopped|container `[^`]*` is not running|setns.*Bad file descriptor|kill container.*No such process|(kill|open pidfd): No such process/i,
  ],
  [
    "BadBundle",
    /chdir .*(no such file|failed|not a directory)|config\.json|JSON specification file|rootfs|error stat'ing file|error opening (file|rootfs)|invalid (spec|rootfs)|invalid character .* looking for|cannot unmarshal/i,
  ],
  [
    "NotSupported",
    /criu|not supported|unsupported|no such (command|option|flag)|unknown (flag|command|option)|flag provided but not defined|unrecognized (option|subcommand)|unexpected argument/i,
  ],
];

/** What the words of a runtime mean. */
export function classify(text: string): RuntimeErrorCode {
  return PATTERNS.find(([, pattern]) => pattern.test(text))?.[0] ?? "Failed";
}

/** Enough for every message; a log may be long. */
const TAIL = 4096;

/**
 * The last error that a runtime noted: of its JSON lines, else its last words.
 * Warnings do not count: runc writes some in calls that succeed.
 */
export function lastError(log: string): string {
  const lines = log.slice(-TAIL).split("\n").filter(Boolean);
  for (const line of lines.toReversed()) {
    try {
      const { level, msg } = JSON.parse(line);
      if (["error", "fatal"].includes(level) && typeof msg === "string") {
        return msg.trim();
      }
    } catch {
      // Not every line is of the log.
    }
  }
  return lines.filter((line) => !line.startsWith("{")).join("; ").trim();
}
