const CODES: readonly unknown[] = ["ENOSPC", "EDQUOT"];

/** Whether the store has no room left, by any cause of an error. Databases have no code for it. */
export function isFull(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    if ("code" in one && CODES.includes(one.code)) return true;
    if (one.message.includes("disk is full")) return true;
  }
  return false;
}
