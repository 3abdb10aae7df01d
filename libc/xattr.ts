/**
 * Extended attributes.
 *
 * @module
 */

import { failure } from "./_failure.ts";
import { cStringOnce } from "./c_string_once.ts";
import { xattrs } from "./_xattrs.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";

const ENODATA = 61;
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
/** `XATTR_SIZE_MAX`, also the limit of a list. */
const LIMIT = 65536;

const decoder = new TextDecoder();
/** Read into first, copied out at its size. */
const scratch = new Uint8Array(LIMIT);

/** Options of {@linkcode setXattr}. */
export interface SetXattrOptions {
  /** Only if it is not there (`"create"`) or only if it is (`"replace"`); either way by default. */
  only?: "create" | "replace";
}

function describe(file: string | Fd): string {
  return file instanceof Fd ? `descriptor ${file.number}` : `"${file}"`;
}

function pathOf(file: string | Fd): string | undefined {
  return file instanceof Fd ? undefined : file;
}

/**
 * Sets an extended attribute, as setxattr(2) does. A symbolic link at the end of a path is not followed.
 *
 * @param file The file, by path or descriptor (not one opened with `OpenFlag.PATH`: give `/proc/self/fd/<number>`).
 * @param name With its namespace, such as `user.note`.
 * @param value At most 64 KiB.
 * @param options Whether it may exist.
 * @throws {TypeError} If a string contains NUL.
 * @throws {SyscallError} If the kernel refuses: `EOPNOTSUPP` where the filesystem has none.
 *
 * @example Usage
 * ```ts ignore
 * import { getXattr, setXattr } from "@containerkit/libc";
 *
 * setXattr("/srv/file", "user.note", new TextEncoder().encode("hello"));
 * console.log(getXattr("/srv/file", "user.note"));
 * ```
 */
export function setXattr(
  file: string | Fd,
  name: string,
  value: Uint8Array<ArrayBuffer>,
  options: SetXattrOptions = {},
): void {
  const flags = options.only === "create"
    ? XATTR_CREATE
    : options.only === "replace"
    ? XATTR_REPLACE
    : 0;
  const size = BigInt(value.length);
  const result = file instanceof Fd
    ? xattrs().fsetxattr(file.number, cStringOnce(name, 1), value, size, flags)
    : xattrs().lsetxattr(
      cStringOnce(file),
      cStringOnce(name, 1),
      value,
      size,
      flags,
    );
  if (result === 0) return;
  throw failure(
    errno(),
    file instanceof Fd ? "fsetxattr" : "lsetxattr",
    `set the attribute "${name}" of ${describe(file)}`,
    pathOf(file),
  );
}

/**
 * Reads an extended attribute, as getxattr(2) does. A symbolic link at the end of a path is not followed.
 *
 * @param file The file, by path or descriptor.
 * @param name With its namespace, such as `user.note`.
 * @returns The value, or `undefined` if there is none of that name.
 * @throws {TypeError} If a string contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { getXattr } from "@containerkit/libc";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempFileSync();
 * assertEquals(getXattr(path, "security.capability"), undefined);
 * Deno.removeSync(path);
 * ```
 */
export function getXattr(
  file: string | Fd,
  name: string,
): Uint8Array<ArrayBuffer> | undefined {
  const size = Number(
    file instanceof Fd
      ? xattrs().fgetxattr(
        file.number,
        cStringOnce(name, 1),
        scratch,
        BigInt(LIMIT),
      )
      : xattrs().lgetxattr(
        cStringOnce(file),
        cStringOnce(name, 1),
        scratch,
        BigInt(LIMIT),
      ),
  );
  if (size >= 0) return scratch.slice(0, size);
  const code = errno();
  if (code === ENODATA) return undefined;
  throw failure(
    code,
    file instanceof Fd ? "fgetxattr" : "lgetxattr",
    `read the attribute "${name}" of ${describe(file)}`,
    pathOf(file),
  );
}

/**
 * Lists the names of the extended attributes of a file, as listxattr(2) does. A symbolic link at the end of a path is not followed.
 *
 * @param file The file, by path or descriptor.
 * @returns The names with their namespaces, in the kernel's order.
 * @throws {TypeError} If the path contains NUL.
 * @throws {SyscallError} If the kernel refuses.
 *
 * @example Usage
 * ```ts
 * import { listXattrs } from "@containerkit/libc";
 * import { assert } from "@std/assert";
 *
 * assert(Array.isArray(listXattrs("/etc")));
 * ```
 */
export function listXattrs(file: string | Fd): string[] {
  const size = Number(
    file instanceof Fd
      ? xattrs().flistxattr(file.number, scratch, BigInt(LIMIT))
      : xattrs().llistxattr(cStringOnce(file), scratch, BigInt(LIMIT)),
  );
  if (size < 0) {
    throw failure(
      errno(),
      file instanceof Fd ? "flistxattr" : "llistxattr",
      `list the attributes of ${describe(file)}`,
      pathOf(file),
    );
  }
  if (size === 0) return [];
  return decoder.decode(scratch.subarray(0, size - 1)).split("\0");
}

/**
 * Removes an extended attribute, as removexattr(2) does. A symbolic link at the end of a path is not followed.
 *
 * @param file The file, by path or descriptor.
 * @param name With its namespace, such as `user.note`.
 * @throws {TypeError} If a string contains NUL.
 * @throws {SyscallError} If the kernel refuses: `ENODATA` if there is none of that name.
 *
 * @example Usage
 * ```ts ignore
 * import { removeXattr } from "@containerkit/libc";
 *
 * removeXattr("/srv/file", "user.note");
 * ```
 */
export function removeXattr(file: string | Fd, name: string): void {
  const result = file instanceof Fd
    ? xattrs().fremovexattr(file.number, cStringOnce(name, 1))
    : xattrs().lremovexattr(cStringOnce(file), cStringOnce(name, 1));
  if (result === 0) return;
  throw failure(
    errno(),
    file instanceof Fd ? "fremovexattr" : "lremovexattr",
    `remove the attribute "${name}" of ${describe(file)}`,
    pathOf(file),
  );
}
