/** Signals by number, as on x86_64 and aarch64, see signal(7). */
const NAMES: readonly string[] =
  `HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT
  CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`
    .split(/\s+/).map((name) => `SIG${name}`);

/** What nothing can ignore. */
export const SIGKILL = 9;
/** What nothing can ignore either. */
export const SIGSTOP = 19;

/** First and last of the real-time signals that libc leaves to programs. */
const RTMIN = 34;
const RTMAX = 64;

/** The name of a signal; real-time ones are `SIGRTMIN+n`. */
export function signalName(number: number): Deno.Signal {
  return (NAMES[number - 1] ??
    (number === RTMIN
      ? "SIGRTMIN"
      : `SIGRTMIN+${number - RTMIN}`)) as Deno.Signal;
}

/**
 * The number of a signal by name, with or without `SIG`, or by number: images name them in every way.
 *
 * @throws {TypeError} If there is none of that name.
 */
export function signalNumber(signal: string): number {
  const name = signal.toUpperCase().replace(/^(?!SIG)(?=[A-Z])/, "SIG");
  const at = NAMES.indexOf(name === "SIGPOLL" ? "SIGIO" : name);
  if (at >= 0) return at + 1;
  const [, base, offset = "0"] = /^SIGRT(MIN|MAX)([+-]\d+)?$/.exec(name) ?? [];
  const number = base === undefined
    ? Number(/^\d+$/.test(signal) ? signal : NaN)
    : (base === "MIN" ? RTMIN : RTMAX) + Number(offset);
  if (!(number >= 1 && number <= RTMAX)) {
    throw new TypeError(`Cannot send the signal "${signal}": there is none`);
  }
  return number;
}
