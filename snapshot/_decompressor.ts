/** What the decompressors of C libraries have in common. */

/** Memory that a library may be handed. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** How far a step of a decompressor came. */
export interface Progress {
  readonly read: number;
  readonly written: number;
}

/** A decompressor at work on another thread. */
export interface Decompressor {
  /** Does as much as fits. */
  step(input: Bytes, output: Bytes): Promise<Progress>;
  /** Whether the input may end here. */
  readonly complete: boolean;
  free(): void;
}

/** What a call on another thread works with must not be collected meanwhile. */
const busy = new Set<unknown>();

/** Waits for a call on another thread. */
export async function held<T>(
  call: Promise<T>,
  ...used: unknown[]
): Promise<T> {
  busy.add(used);
  try {
    return await call;
  } finally {
    busy.delete(used);
  }
}

/**
 * Where bytes are in memory, to stay: a small array is moved by the collector until its buffer is asked for. That of libc
 * refuses small ones, but pieces of a layer are of any size.
 */
export function addressOf(bytes: Bytes): bigint {
  const start = Deno.UnsafePointer.of(bytes.buffer);
  return Deno.UnsafePointer.value(start) + BigInt(bytes.byteOffset);
}
