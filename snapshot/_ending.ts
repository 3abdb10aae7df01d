/** Uses a layer, or entries; a stream is ended too where that fails before anything was read of it. */
export async function ending<T>(
  source: object,
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (source instanceof ReadableStream && !source.locked) {
      // Why it fails is what the caller must hear.
      await source.cancel(error).catch(() => {});
    }
    throw error;
  }
}
