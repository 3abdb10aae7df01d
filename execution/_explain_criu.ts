/** Where runc and crun say that criu's log is. */
const LOG_REGEXP = /log ?file:? (\S+)/i;
/** Of criu's log, `(00.012345) Error (criu/cr-dump.c:1): why`, with a pid in between at times. */
const ERROR_REGEXP = /^\([\d.]+\)\s*(?:\d+:\s*)?Error \([^)]*\): (.*)$/gm;
/** Enough for its last lines. */
const TAIL = 1 << 16;

/**
 * Adds to the words of a runtime what criu said: they name only its log. The
 * first error is the cause; what follows is how it gave up.
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
  const [first] = log.matchAll(ERROR_REGEXP);
  return first === undefined
    ? detail
    : `${detail.replaceAll("\n", "; ")}: ${first[1]}`;
}
