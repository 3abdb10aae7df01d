/** Attributes of a file as an EROFS image has them. */
import { Buffer } from "node:buffer";
import { align, XATTR_HEADER } from "./_erofs_format.ts";
import type { TreeNode } from "./_tree.ts";

/** What the byte before the name of an attribute holds. */
const LONGEST_NAME = 255;

/** Prefixes of attribute names, and the numbers that stand for them. */
const PREFIXES: readonly (readonly [string, number])[] = [
  ["user.", 1],
  ["system.posix_acl_access", 2],
  ["system.posix_acl_default", 3],
  ["trusted.", 4],
  ["security.", 6],
];

/** Attributes as stored behind the inode; `undefined` if there are none. */
export function encodeXattrs(node: TreeNode): Uint8Array | undefined {
  if (node.xattrs === undefined) return;
  const parts: Buffer[] = [Buffer.alloc(XATTR_HEADER)];
  for (const name of [...node.xattrs.keys()].sort()) {
    const value = node.xattrs.get(name)!;
    const [prefix, index] = PREFIXES.find(([start]) => name.startsWith(start))!;
    const rest = Buffer.from(name.slice(prefix.length), "latin1");
    if (rest.length > LONGEST_NAME) {
      throw new RangeError(
        `Cannot index the layer: an attribute has a name of more than ${LONGEST_NAME} bytes`,
      );
    }
    const part = Buffer.alloc(align(4 + rest.length + value.length, 4));
    part[0] = rest.length;
    part[1] = index;
    part.writeUInt16LE(value.length, 2);
    rest.copy(part, 4);
    part.set(value, 4 + rest.length);
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  if ((body.length - XATTR_HEADER) / 4 + 1 > 0xffff) {
    throw new RangeError(
      "Cannot index the layer: a file has more than 256 KiB of attributes",
    );
  }
  return body;
}
