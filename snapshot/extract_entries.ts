/**
 * Writing what is in an archive into a folder that is in use.
 *
 * @module
 */

import { Fd } from "@containerkit/libc";
import { type TarStreamEntry, TypeFlag } from "@containerkit/tar";
import { cleanPath } from "@containerkit/tar/layer";
import { eachUntil } from "./_each_until.ts";
import { ending } from "./_ending.ts";
import {
  makeFolder,
  openFolder,
  replaceFile,
  setTimes,
} from "./_extract_entry.ts";
import { openRoot } from "./_parent_layers.ts";

/** Options of {@linkcode extractEntries}. */
export interface ExtractEntriesOptions {
  /**
   * Gives what is written to whom the archive says; else it is the caller's.
   *
   * @default {true}
   */
  readonly sameOwner?: boolean;
  /** Ends it early. What was written until then stays. */
  readonly signal?: AbortSignal;
}

/**
 * Writes the entries of an archive into a folder that is in use, such as the root filesystem of a container.
 *
 * Unlike {@linkcode applyLayer} it takes no name for a whiteout, and leaves everything alone that has no entry. A file
 * is replaced in one step, once all of the new one is there; a directory is merged with, and neither takes the place
 * of the other. Directories that are missing are made. An entry for the folder itself is passed over.
 *
 * No path leads out of the folder: the kernel resolves it, and the links on it, as if the folder were `/`.
 *
 * @param entries The entries, such as those of `UntarStream`; their bodies are read.
 * @param root The folder.
 * @param options Owners, and what ends it.
 * @throws {Deno.errors.IsADirectory} If an entry that is no directory has the name of one.
 * @throws {Deno.errors.NotADirectory} If a directory has the name of something else.
 * @throws {LayerError} If an entry is of no known kind.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { extractEntries } from "@containerkit/snapshot";
 * import { UntarStream } from "@containerkit/tar";
 *
 * using file = await Deno.open("files.tar");
 * await extractEntries(file.readable.pipeThrough(new UntarStream()), "/rootfs");
 * ```
 */
export function extractEntries(
  entries: AsyncIterable<TarStreamEntry>,
  root: string,
  options: ExtractEntriesOptions = {},
): Promise<void> {
  return ending(entries, () => extract(entries, root, options));
}

async function extract(
  entries: AsyncIterable<TarStreamEntry>,
  root: string,
  options: ExtractEntriesOptions,
): Promise<void> {
  const { sameOwner = true, signal } = options;
  using folder = new Fd(openRoot(root));
  const folders: { names: readonly string[]; entry: TarStreamEntry }[] = [];
  for await (const entry of eachUntil(entries, signal)) {
    signal?.throwIfAborted();
    const names = cleanPath(entry.path);
    const name = names.pop();
    if (name === undefined) continue;
    using parent = new Fd(openFolder(folder.number, names, entry.path));
    const spot = { dirfd: parent.number, name, root: folder.number };
    if (entry.header.typeflag === TypeFlag.DIRECTORY) {
      makeFolder(spot, entry.header, sameOwner);
      folders.push({ names: [...names, name], entry });
    } else await replaceFile(spot, entry, { sameOwner, signal });
  }
  // What is written into a directory changes them.
  for (const { names, entry } of folders.reverse()) {
    using parent = new Fd(
      openFolder(folder.number, names.slice(0, -1), entry.path),
    );
    setTimes(parent.number, names.at(-1)!, entry.header);
  }
}
