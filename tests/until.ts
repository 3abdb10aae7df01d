const PAUSE_MS = 10;
const LONGEST_MS = 60_000;

/**
 * Waits for what another process does; a test itself depends on no time.
 *
 * @param what Named when it does not come true within a minute.
 */
export async function until(
  what: string,
  done: () => unknown,
): Promise<void> {
  const end = performance.now() + LONGEST_MS;
  while (!await done()) {
    if (performance.now() > end) {
      throw new Error(
        `${what} did not come true within ${LONGEST_MS / 1000} s`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
