import {
  cString,
  errno,
  mkdirAt,
  openAt,
  OpenFlag,
  SyscallError,
  unlinkAt,
} from "@containerkit/libc";
import { symbols } from "./_libc.ts";

const MS_BIND = 4096n;

function makeFolders(path: string): void {
  for (
    let at = path.indexOf("/", 1);
    at !== -1;
    at = path.indexOf("/", at + 1)
  ) {
    try {
      mkdirAt(undefined, path.slice(0, at), 0o755);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== "EEXIST") {
        throw error;
      }
    }
  }
}

function makeFile(path: string): void {
  const flags = OpenFlag.RDONLY | OpenFlag.CREAT | OpenFlag.EXCL;
  try {
    openAt(undefined, path, { flags, mode: 0o444 }).close();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const { syscall, errno, code } = error;
    throw new SyscallError(`pin a network namespace at "${path}"`, {
      syscall,
      errno,
      path,
      detail: code === "EEXIST" ? "something is there already" : undefined,
      cause: error,
    });
  }
}

/** Mounts a namespace file on a new file: the way that pins namespaces. */
export function pinAt(source: string, path: string): void {
  if (!path.startsWith("/")) {
    throw new TypeError(
      `Cannot pin a network namespace at "${path}": expected an absolute path`,
    );
  }
  try {
    makeFile(path);
  } catch (error) {
    // Mostly the folders are there: looking first would be an error each.
    if (!(error instanceof SyscallError) || error.code !== "ENOENT") {
      throw error;
    }
    makeFolders(path);
    makeFile(path);
  }
  const { mount } = symbols();
  if (mount(cString(source), cString(path), null, MS_BIND, null) === 0) return;
  const code = errno();
  unlinkAt(undefined, path);
  throw new SyscallError(`pin a network namespace at "${path}"`, {
    syscall: "mount",
    errno: code,
    path,
  });
}
