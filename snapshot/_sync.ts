import { openAt, OpenFlag, syncFs } from "@containerkit/libc";
import { symbols } from "./_symbols.ts";

/** Makes all that was written to the filesystem of a folder survive a power cut, as syncfs(2) does. */
export async function syncFilesystem(dir: string): Promise<void> {
  using fd = openAt(undefined, dir, OpenFlag.DIRECTORY);
  if (await symbols().syncfs(fd.number) === 0) return;
  // The call ran on another thread, whose errno is out of reach: the same call here says why.
  syncFs(fd);
  throw new Deno.errors.WriteZero(
    `Cannot write "${dir}" back: the kernel lost a part of it`,
  );
}
