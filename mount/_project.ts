import { Fd, ioctl, openAt, struct, SyscallError } from "@containerkit/libc";
import { explainQuota } from "./_quota_reason.ts";

const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;

const fsxattr = struct({
  xflags: "u32",
  extsize: "u32",
  nextents: "u32",
  projid: "u32",
  cowextsize: "u32",
  pad: { bytes: 8 },
}, 28);

/** What the kernel keeps with a file, its project among it. */
export type ProjectAttributes = ReturnType<typeof fsxattr.decode>;

/** Calls a function with a file that is open, or opened for it. */
export function withFile<T>(file: string | Fd, use: (fd: Fd) => T): T {
  if (file instanceof Fd) return use(file);
  using fd = openAt(undefined, file);
  return use(fd);
}

function projectIoctl(
  fd: Fd,
  request: number,
  { name, action, argument }: {
    name: string;
    action: string;
    argument: Uint8Array<ArrayBuffer>;
  },
): void {
  try {
    ioctl(fd, request, { argument, name, action });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SyscallError(action, {
      syscall: error.syscall,
      errno: error.errno,
      detail: explainQuota(error.errno),
    });
  }
}

/** Reads what the kernel keeps with a file. */
export function readProject(fd: Fd): ProjectAttributes {
  const argument = fsxattr.encode({});
  projectIoctl(fd, FS_IOC_FSGETXATTR, {
    argument,
    name: "FS_IOC_FSGETXATTR",
    action: "read the project of the file",
  });
  return fsxattr.decode(argument);
}

/** Puts a file into the project that the attributes name. */
export function writeProject(fd: Fd, attributes: ProjectAttributes): void {
  projectIoctl(fd, FS_IOC_FSSETXATTR, {
    argument: fsxattr.encode(attributes),
    name: "FS_IOC_FSSETXATTR",
    action: `put the directory into project ${attributes.projid}`,
  });
}

/** @throws {RangeError} If a number is none of a project. */
export function checkProject(project: number, lowest: number): void {
  if (
    !Number.isInteger(project) || project < lowest || project > 0xfffffffe
  ) {
    throw new RangeError(
      `Cannot use project ${project}: expected an integer from ${lowest}`,
    );
  }
}
