import { cString, errno, type Fd, SyscallError } from "@containerkit/libc";
import { explain } from "./_explain.ts";
import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  attributeFlags,
  MOUNT_ATTR_IDMAP,
  propagationFlags,
} from "./_flags.ts";
import { symbols, Sys } from "./_symbols.ts";
import type { MountAttributes, Propagation } from "./mount.ts";

const EMPTY = cString("");

/** `struct mount_attr { u64 set, clear, propagation, userns; }`, as mount_setattr(2) takes it. */
function setAttributes(
  tree: Fd,
  attributes: {
    set?: number;
    clear?: number;
    propagation?: number;
    userns?: Fd;
    recursive?: boolean;
  },
  action: string,
): void {
  const { set = 0, clear = 0, propagation = 0, userns, recursive } = attributes;
  const bytes = new Uint8Array(
    BigUint64Array.of(
      BigInt(set),
      BigInt(clear),
      BigInt(propagation),
      BigInt(userns?.number ?? 0),
    ).buffer,
  );
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  const result = symbols().mount_setattr(
    Sys.MOUNT_SETATTR,
    tree.number,
    EMPTY,
    flags,
    bytes,
    32n,
  );
  if (result === 0) return;
  const code = errno();
  throw new SyscallError(action, {
    syscall: "mount_setattr",
    errno: code,
    detail: userns === undefined
      ? undefined
      : explain(code, { call: "mount_setattr" }),
  });
}

/** Sets what {@linkcode MountAttributes} say on a mount of the caller's own; what fsmount(2) was told already may be left out. */
export function applyAttributes(
  tree: Fd,
  attributes: MountAttributes,
  options: { own?: boolean } = {},
): void {
  const action = "set the attributes of the mount";
  if (options.own ?? true) {
    const own = attributeFlags(attributes, "own");
    if (own.set !== 0 || own.clear !== 0) setAttributes(tree, own, action);
  }
  const below = attributeFlags(attributes, "recursive");
  if (below.set !== 0) {
    setAttributes(tree, { ...below, recursive: true }, action);
  }
}

/** Shows other ids; for a mount that is attached nowhere yet. */
export function applyIdmap(
  tree: Fd,
  userns: Fd,
  options: { recursive?: boolean } = {},
): void {
  setAttributes(
    tree,
    { set: MOUNT_ATTR_IDMAP, userns, recursive: options.recursive ?? false },
    "map the ids of the mount",
  );
}

/** Sets how mounts below it spread; for a mount that is attached. */
export function applyPropagation(tree: Fd, propagation: Propagation): void {
  const { flag, recursive } = propagationFlags(propagation);
  setAttributes(
    tree,
    { propagation: flag, recursive },
    `make the mount ${propagation}`,
  );
}
