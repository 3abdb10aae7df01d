/**
 * What ckit says of an error.
 *
 * @param isRoot Whether ckit may look everywhere.
 */
export function describeError(
  error: unknown,
  isRoot = Deno.uid() === 0,
): string {
  const text = error instanceof Error ? error.message : String(error);
  // Those of the system say what was refused, and not what to do about it.
  return !isRoot && error instanceof Deno.errors.PermissionDenied &&
      text.includes("os error")
    ? `${text}; as another user than root choose folders of your own with --root and --state`
    : text;
}
