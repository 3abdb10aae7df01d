import type { ByteSource } from "@containerkit/tar/layer";

/** Uses a layer; a stream is ended too where that fails before anything was read of it. */
export async function ending<T>(
  layer: ByteSource,
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (layer instanceof ReadableStream && !layer.locked) {
      // Why it fails is what the caller must hear.
      await layer.cancel(error).catch(() => {});
    }
    throw error;
  }
}
