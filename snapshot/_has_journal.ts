/** Where ext4 says in its superblock what whoever uses it must know of, and that its journal is not empty. */
const SUPERBLOCK = 1024;
const FEATURE_INCOMPAT = 0x60;
const RECOVER = 4;

/**
 * Whether something is in the journal of ext4 alone, as after a power cut. Mounting it writes that to its place, but not
 * read-only and from a file that nobody may write to: then it is refused.
 */
export function hasJournal(image: string): boolean {
  using file = Deno.openSync(image);
  file.seekSync(SUPERBLOCK + FEATURE_INCOMPAT, Deno.SeekMode.Start);
  const features = new Uint8Array(4);
  file.readSync(features);
  return (new DataView(features.buffer).getUint32(0, true) & RECOVER) !== 0;
}
