import { CloneFlag, type Fd, openAt, setNs } from "@containerkit/libc";

/** The thread's own: `/proc/self` is the main thread's, which may be elsewhere. */
export const CURRENT = "/proc/thread-self/ns/net";

/** Goes back to where the thread was; if that fails nothing may go on. */
function restore(home: Fd): void {
  try {
    setNs(home, CloneFlag.NEWNET);
  } catch (cause) {
    throw new Error(
      "Cannot go back to the own network namespace: this thread is of no further use",
      { cause },
    );
  }
}

/** Runs `fn` with a descriptor of the namespace the thread is in, and goes back there. */
export function excursion<T>(fn: (home: Fd) => T): T {
  using home = openAt(undefined, CURRENT);
  // In a user namespace that does not own the home, leaving would work and coming back would not.
  setNs(home, CloneFlag.NEWNET);
  try {
    return fn(home);
  } finally {
    restore(home);
  }
}
