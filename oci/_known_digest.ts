/** Hexadecimal digits by hash function. */
const LENGTHS: Readonly<Record<string, number>> = {
  sha256: 64,
  sha384: 96,
  sha512: 128,
  // Registered, but node:crypto has none: content by it can be copied only.
  blake3: 64,
};

/** Whether the hash fits its function; `undefined` if that is unknown. */
export function isKnownDigest(
  algorithm: string,
  encoded: string,
): boolean | undefined {
  if (!Object.hasOwn(LENGTHS, algorithm)) return undefined;
  return encoded.length === LENGTHS[algorithm] && /^[0-9a-f]+$/.test(encoded);
}
