import type { SpecMount } from "./spec.ts";
import type { SpecDeviceRule } from "./spec_linux.ts";

/** What containers may do by default: the fourteen of containerd and Docker. */
export const CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** Every capability by its number, see capabilities(7). */
export const ALL_CAPABILITIES: readonly string[] =
  `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
  LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK
  IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
  SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
  AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
  BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`
    .split(/\s+/).map((name) => `CAP_${name}`);

/** Where programs are looked for when the image does not say. */
export const PATH =
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Hidden: what tells of the host or of other containers. Each CPU's `thermal_throttle` is added. */
export const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

/** Read-only: what configures the host. */
export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

function kernelMount(
  destination: string,
  type: string,
  options: string,
  source = type,
): SpecMount {
  return { destination, type, source, options: options.split(" ") };
}

/** The kernel's filesystems, in this order. What containerd has besides on `/run` would hide what the image has there. */
export function defaultMounts(): SpecMount[] {
  return [
    kernelMount("/proc", "proc", "nosuid noexec nodev"),
    kernelMount("/dev", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
    kernelMount(
      "/dev/pts",
      "devpts",
      "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5",
    ),
    kernelMount(
      "/dev/shm",
      "tmpfs",
      "nosuid noexec nodev mode=1777 size=65536k",
      "shm",
    ),
    kernelMount("/dev/mqueue", "mqueue", "nosuid noexec nodev"),
    kernelMount("/sys", "sysfs", "nosuid noexec nodev ro"),
  ];
}

/** Everything is refused but the devices that every program expects. */
export function defaultDeviceRules(): SpecDeviceRule[] {
  const known: readonly (readonly [number, number?])[] = [
    [1, 3], // null
    [1, 8], // random
    [1, 7], // full
    [5, 0], // tty
    [1, 5], // zero
    [1, 9], // urandom
    [5, 1], // console
    [136], // pts
    [5, 2], // ptmx
  ];
  return [
    { allow: false, access: "rwm" },
    ...known.map(([major, minor]): SpecDeviceRule => ({
      allow: true,
      type: "c",
      major,
      ...(minor === undefined ? {} : { minor }),
      access: "rwm",
    })),
  ];
}
