import { cString, errno, errnoName } from "@containerkit/libc";
import { symbols, Sys } from "./_symbols.ts";

/** No flag of fsopen(2): refused as such where the call itself is not. */
const NO_FLAG = 0x8000;
const EPERM = 1;
const ENOSYS = 38;

/** Calls on nothing: each says that its descriptor is none, or that it is refused. */
const PROBES: readonly [name: string, call: () => number][] = [
  [
    "fsopen",
    () => symbols().fsopen(Sys.FSOPEN, cString("tmpfs"), NO_FLAG),
  ],
  ["fsmount", () => symbols().fsmount(Sys.FSMOUNT, -1, 0, 0)],
  [
    "fsconfig",
    () => symbols().fsconfig(Sys.FSCONFIG, -1, 0, null, null, 0),
  ],
  [
    "open_tree",
    () => symbols().open_tree(Sys.OPEN_TREE, -1, cString(""), 1),
  ],
  [
    "move_mount",
    () =>
      symbols().move_mount(
        Sys.MOVE_MOUNT,
        -1,
        cString(""),
        -1,
        cString(""),
        0,
      ),
  ],
  [
    "mount_setattr",
    () =>
      symbols().mount_setattr(
        Sys.MOUNT_SETATTR,
        -1,
        cString(""),
        0,
        new Uint8Array(32),
        32n,
      ),
  ],
];

let isThere = false;
let forced: string | undefined;

/** Makes {@linkcode refusedMountApi} give a reason, so that a test can go by mount(2); `undefined` looks anew. */
export function forceRefusedMountApi(reason: string | undefined): void {
  forced = reason;
}

/**
 * Why mounts cannot be made without being attached: an old kernel, or a seccomp
 * filter. `undefined` where they can, which is looked at once.
 */
export function refusedMountApi(): string | undefined {
  if (forced !== undefined) return forced;
  if (isThere) return undefined;
  for (const [name, call] of PROBES) {
    const code = call() < 0 ? errno() : 0;
    if (code === EPERM || code === ENOSYS) {
      return `${name} is refused with ${errnoName(code)}`;
    }
  }
  isThere = true;
  return undefined;
}
