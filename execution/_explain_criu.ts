/** Where runc and crun say that criu's log is. */
const LOG_REGEXP = /log ?file:? (\S+)/i;
/** Of criu's log, `(00.012345) Error (criu/cr-dump.c:1): why`, with a pid in between at times. */
const ERROR_REGEXP = /^\([\d.]+\)\s*(?:\d+:\s*)?Error \([^)]*\): (.*)$/gm;
/** Enough for its last lines. */
const TAIL = 1 << 16;

/** How many of its errors are told. */
const MOST = 3;

/**
 * Adds to the words of a runtime what criu said: they name only its log. The
 * last errors tell the cause and what it was for; those before them may be
 * probes of things that nobody needs.
 */
export async function explainCriu(detail: string): Promise<string> {
  const path = LOG_REGEXP.exec(detail)?.[1];
  if (path === undefined || !/criu/i.test(detail)) return detail;
  let log: string;
  try {
    log = (await Deno.readTextFile(path)).slice(-TAIL);
  } catch {
    return detail; // It did not come that far.
  }
  const errors = [...log.matchAll(ERROR_REGEXP)].map(([, words]) => words!)
    .filter((words) => !/FAILED\.?$/.test(words));
  return errors.length === 0
    ? detail
    : `${detail.replaceAll("\n", "; ")}: ${errors.slice(-MOST).join("; ")}`;
}
