/**
 * What ckit says of an error.
 *
 * @param isRoot Whether ckit may look everywhere.
 */
export function describeError(
  error: unknown,
  isRoot = Deno.uid() === 0,
): string {
  if (error instanceof SuppressedError) {
    // What failed, and what undoing it failed with: of its own it has no words for either.
    const both = [error.suppressed, error.error];
    return both.map((one) => describeError(one, isRoot)).join("; and then: ");
  }
  const text = error instanceof Error ? error.message : String(error);
  // Those of the system say what was refused, and not what to do about it.
  return !isRoot && error instanceof Deno.errors.PermissionDenied &&
      text.includes("os error")
    ? `${text}; as another user than root choose folders of your own with --root and --state`
    : text;
}
