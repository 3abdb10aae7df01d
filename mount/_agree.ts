import { type Fd, FileType, type Stat, statAt } from "@containerkit/libc";

function isDirectory({ mode }: Stat): boolean {
  return (mode & FileType.MASK) === FileType.DIRECTORY;
}

/** Whether a mount and its place are both directories, or both are not; also when one is missing. */
export function agree(mount: Fd | string, target: Fd | string): boolean {
  const look = (place: Fd | string) =>
    typeof place === "string"
      ? statAt(undefined, place, { follow: true })
      : statAt(place, "");
  try {
    return isDirectory(look(mount)) === isDirectory(look(target));
  } catch {
    return true;
  }
}
