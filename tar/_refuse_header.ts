import { detectCompression, MAGIC_LENGTH } from "./detect_compression.ts";
import { TarError } from "./tar_error.ts";

/** Says why a block is no header: an archive that nobody decompressed is no damaged one. */
export function refuseHeader(
  bytes: Uint8Array,
  start: number,
  offset: number,
): never {
  const head = bytes.subarray(start, start + MAGIC_LENGTH);
  const compression = offset === 0 ? detectCompression(head) : "none";
  const why = compression === "none"
    ? "the checksum of a header is wrong"
    : `it is compressed by ${compression}, and nobody decompressed it`;
  throw new TarError(why, offset);
}
