/**
 * Filesystems in files.
 *
 * @module
 */

/** Where ext4 says in its superblock what whoever uses it must know of, and that its journal is not empty. */
const SUPERBLOCK = 1024;
const FEATURE_INCOMPAT = 0x60;
const RECOVER = 4;

/**
 * Whether something is in the journal of ext4 alone, as after a power cut or
 * while it is mounted. A mount that may write puts it in its place; a read-only
 * one of a file that nobody may write to is refused, and a program that changes
 * the filesystem without would have all of that written over its own.
 *
 * @param image The file or device that the filesystem is in.
 * @returns Whether it has to be mounted first: `needs_recovery`, as dumpe2fs(8) calls it.
 * @throws {Deno.errors.NotFound} If there is no such file.
 *
 * @see https://docs.kernel.org/filesystems/ext4/globals.html#super-block
 *
 * @example Usage
 * ```ts ignore
 * import { mount, needsRecovery } from "@containerkit/mount";
 *
 * const source = "/srv/data.img";
 * if (needsRecovery(source)) {
 *   await using _mounted = await mount({ type: "image", source, fstype: "ext4" }, "/mnt");
 * }
 * ```
 */
export function needsRecovery(image: string): boolean {
  using file = Deno.openSync(image);
  file.seekSync(SUPERBLOCK + FEATURE_INCOMPAT, Deno.SeekMode.Start);
  const features = new Uint8Array(4);
  file.readSync(features);
  return (new DataView(features.buffer).getUint32(0, true) & RECOVER) !== 0;
}
