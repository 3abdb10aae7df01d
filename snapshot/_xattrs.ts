/** Extended attributes by path; a path here is one of ours: `/proc/self/fd/N` and one name. */
import { errno } from "@containerkit/libc";
import { decodeText } from "@containerkit/tar";
import { CName, ENODATA, EOPNOTSUPP, ERANGE, refused } from "./_files.ts";
import { layerSymbols } from "./_layer_symbols.ts";

const pathName = new CName();
const attributeName = new CName();

/** The names of the attributes that can be seen. */
export function listXattrs(path: string, shown: string): string[] {
  const libc = layerSymbols();
  const bytes = pathName.set(path);
  for (let size = 1024;; size *= 4) {
    const buffer = new Uint8Array(size);
    const length = Number(libc.llistxattr(bytes, buffer, BigInt(size)));
    if (length >= 0) {
      return decodeText(buffer.subarray(0, length)).split("\0")
        .filter((name) => name !== "");
    }
    const code = errno();
    if (code === EOPNOTSUPP) return [];
    if (code !== ERANGE || size > 1 << 20) {
      throw refused("list the attributes of", "llistxattr", code, shown);
    }
  }
}

/** The value of an attribute, or `undefined` if it is not there. */
export function getXattr(
  path: string,
  name: string,
  shown: string,
): Uint8Array | undefined {
  const libc = layerSymbols();
  const bytes = pathName.set(path);
  const attribute = attributeName.set(name);
  for (let size = 256;; size *= 4) {
    const buffer = new Uint8Array(size);
    const length = Number(
      libc.lgetxattr(bytes, attribute, buffer, BigInt(size)),
    );
    if (length >= 0) return buffer.subarray(0, length);
    const code = errno();
    if (code === ENODATA || code === EOPNOTSUPP) return undefined;
    if (code !== ERANGE || size > 1 << 20) {
      throw refused(`read the attribute ${name} of`, "lgetxattr", code, shown);
    }
  }
}

/** Sets an attribute; gives the error number, or 0. */
export function setXattr(
  path: string,
  name: string,
  value: Uint8Array<ArrayBuffer>,
): number {
  const bytes = pathName.set(path);
  const attribute = attributeName.set(name);
  const result = layerSymbols().lsetxattr(
    bytes,
    attribute,
    value,
    BigInt(value.length),
    0,
  );
  return result === 0 ? 0 : errno();
}

/** The same on an open file. */
export function setXattrOf(
  fd: number,
  name: string,
  value: Uint8Array<ArrayBuffer>,
): number {
  const attribute = attributeName.set(name);
  const result = layerSymbols().fsetxattr(
    fd,
    attribute,
    value,
    BigInt(value.length),
    0,
  );
  return result === 0 ? 0 : errno();
}

/** Removes an attribute; one that is not there is fine. */
export function removeXattr(path: string, name: string, shown: string): void {
  const bytes = pathName.set(path);
  const attribute = attributeName.set(name);
  if (layerSymbols().lremovexattr(bytes, attribute) === 0) return;
  const code = errno();
  if (code !== ENODATA && code !== EOPNOTSUPP) {
    throw refused(
      `remove the attribute ${name} of`,
      "lremovexattr",
      code,
      shown,
    );
  }
}
