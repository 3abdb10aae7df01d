/** Changes a file that may be gone: then there is nothing to do. */
export function ifThere(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
