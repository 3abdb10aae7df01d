import { errno, SyscallError } from "@containerkit/libc";
import { symbols, Sys } from "./_symbols.ts";
import { unescape } from "./_unescape.ts";
import type { MountinfoEntry } from "./parse_mountinfo.ts";

const SB_BASIC = 1;
const MNT_BASIC = 2;
const MNT_ROOT = 8;
const MNT_POINT = 0x10;
const FS_TYPE = 0x20;
const MNT_OPTS = 0x80;
const SB_SOURCE = 0x200;
const EPERM = 1;
const ENOENT = 2;
const ENOSYS = 38;
const EOVERFLOW = 75;
const STRINGS = 512;
/** Numbers that are never used again start above those of mountinfo. */
export const UNIQUE = 2 ** 31;

const MS_UNBINDABLE = 1n << 17n;
const MS_RDONLY = 1;
/** `MOUNT_ATTR_` flags by the words of mountinfo. */
const ATTRIBUTES: readonly (readonly [string, number])[] = [
  ["nosuid", 2],
  ["nodev", 4],
  ["noexec", 8],
  ["noatime", 0x10],
  ["nodiratime", 0x80],
  ["nosymfollow", 0x200000],
];

const decoder = new TextDecoder();

/** Asks statmount(2); `undefined` if there is no such mount, `"unknown"` without the call. */
export function askMount(
  id: number,
): DataView<ArrayBuffer> | undefined | "unknown" {
  // struct mnt_id_req { u32 size, spare; u64 id, mask; }
  const request = new DataView(new ArrayBuffer(24));
  request.setUint32(0, 24, true);
  request.setBigUint64(8, BigInt(id), true);
  request.setBigUint64(
    16,
    BigInt(
      SB_BASIC | MNT_BASIC | MNT_ROOT | MNT_POINT | FS_TYPE | MNT_OPTS |
        SB_SOURCE,
    ),
    true,
  );
  for (let size = 4096;; size *= 4) {
    const bytes = new Uint8Array(size);
    const result = symbols().statmount(
      Sys.STATMOUNT,
      new Uint8Array(request.buffer),
      bytes,
      BigInt(size),
      0,
    );
    if (result === 0) return new DataView(bytes.buffer);
    const code = errno();
    if (code === ENOENT) return undefined;
    // Filters of system calls refuse with the one or the other.
    if (code === ENOSYS || code === EPERM) return "unknown";
    if (code !== EOVERFLOW || size > 1 << 22) {
      throw new SyscallError(`look at mount ${id}`, {
        syscall: "statmount",
        errno: code,
      });
    }
  }
}

/** What statmount(2) wrote, in the words of mountinfo; `undefined` if it left the source out, as before Linux 6.13. */
export function readMount(
  view: DataView<ArrayBuffer>,
): MountinfoEntry | undefined {
  const bytes = new Uint8Array(view.buffer);
  const mask = view.getBigUint64(8, true);
  if ((mask & BigInt(SB_SOURCE)) === 0n) return undefined;
  const text = (offset: number, bit: number) => {
    if ((mask & BigInt(bit)) === 0n) return "";
    const start = STRINGS + view.getUint32(offset, true);
    return decoder.decode(bytes.subarray(start, bytes.indexOf(0, start)));
  };
  const attributes = view.getUint32(64, true);
  const spread = view.getBigUint64(72, true);
  const peers = view.getBigUint64(80, true);
  const master = view.getBigUint64(88, true);
  const options = text(4, MNT_OPTS);
  const isReadonly = (view.getUint32(32, true) & MS_RDONLY) !== 0;
  return {
    id: view.getUint32(56, true),
    parent: view.getUint32(60, true),
    device: `${view.getUint32(16, true)}:${view.getUint32(20, true)}`,
    root: text(104, MNT_ROOT),
    target: text(108, MNT_POINT),
    options: [
      (attributes & 1) !== 0 ? "ro" : "rw",
      ...ATTRIBUTES.filter(([, flag]) => (attributes & flag) !== 0)
        .map(([word]) => word),
      ...((attributes & 0x70) === 0 ? ["relatime"] : []),
    ],
    propagation: [
      ...(peers === 0n ? [] : [`shared:${peers}`]),
      ...(master === 0n ? [] : [`master:${master}`]),
      ...((spread & MS_UNBINDABLE) === 0n ? [] : ["unbindable"]),
    ],
    type: text(36, FS_TYPE),
    source: text(124, SB_SOURCE),
    superOptions: [
      isReadonly ? "ro" : "rw",
      ...(options === "" ? [] : options.split(",").map(unescape)),
    ],
  };
}
