/**
 * The AppArmor profile of containers.
 *
 * @module
 */

/** What a container may not reach, beside what is masked in its file system: `/proc` and `/sys` may be mounted anew in it. */
const DENIED: readonly string[] = [
  // AF_ALG: the filter of system calls does not see the family where 32-bit programs call socketcall(2).
  "network alg",
  // Files right below /proc, and folders there that are no process and not /proc/sys.
  "@{PROC}/* w",
  "@{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9]*}/** w",
  // Of /proc/sys only kernel/shm* may be written.
  "@{PROC}/sys/[^k]** w",
  "@{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w",
  "@{PROC}/sysrq-trigger rwklx",
  "@{PROC}/mem rwklx",
  "@{PROC}/kmem rwklx",
  "@{PROC}/kcore rwklx",
  "mount",
  // Of /sys only fs/cgroup may be written.
  "/sys/[^f]*/** wklx",
  "/sys/f[^s]*/** wklx",
  "/sys/fs/[^c]*/** wklx",
  "/sys/fs/c[^g]*/** wklx",
  "/sys/fs/cg[^r]*/** wklx",
  "/sys/firmware/** rwklx",
  "/sys/devices/virtual/powercap/** rwklx",
  "/sys/kernel/security/** rwklx",
];

/**
 * The profile that confines a container as Docker's and containerd's do, see
 * apparmor.d(5): it allows files, network and capabilities, which are limited
 * elsewhere, and denies what breaks out by `/proc`, `/sys`, a mount or the
 * kernel's sockets for cryptography.
 *
 * @param name The name it is loaded by: letters, digits, `_`, `.` and `-`.
 * @returns The text, for {@linkcode loadApparmor}.
 * @throws {TypeError} If the name has other characters.
 *
 * @example Usage
 * ```ts
 * import { defaultApparmor } from "@containerkit/execution";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(defaultApparmor("web"), "profile web ");
 * ```
 */
export function defaultApparmor(name = "containerkit-default"): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) {
    throw new TypeError(
      `Cannot make an AppArmor profile of the name ${JSON.stringify(name)}`,
    );
  }
  return `#include <tunables/global>

profile ${name} flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  network,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (send,receive) peer=${name},
  ptrace (trace,read,tracedby,readby) peer=${name},
${DENIED.map((rule) => `  deny ${rule},`).join("\n")}
}
`;
}
