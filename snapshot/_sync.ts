import { errno, openAt, OpenFlag, SyscallError } from "@containerkit/libc";
import { symbols } from "./_symbols.ts";

/** Makes all that was written to the filesystem of a folder survive a power cut, as syncfs(2) does. */
export async function syncFilesystem(dir: string): Promise<void> {
  using fd = openAt(undefined, dir, OpenFlag.DIRECTORY);
  if (await symbols().syncfs(fd.number) === 0) return;
  // The call ran on another thread, whose errno is out of reach; the error is reported once a descriptor.
  using again = openAt(undefined, dir, OpenFlag.DIRECTORY);
  const failed = symbols().syncfs_now(again.number) !== 0;
  const code = failed ? errno() : 5; // EIO: what was lost stays lost though the second call worked
  throw new SyscallError(`write "${dir}" back`, {
    syscall: "syncfs",
    errno: code,
    path: dir,
  });
}
