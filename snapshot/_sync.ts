import { openAt, OpenFlag, syncFs } from "@containerkit/libc";

/** Makes all that was written to the filesystem of a folder survive a power cut, as syncfs(2) does. */
export async function syncFilesystem(dir: string): Promise<void> {
  using fd = openAt(undefined, dir, OpenFlag.DIRECTORY);
  await syncFs(fd);
}
