/** The machines that guests run on: emulated ones, and Linux as a program. */
import { program } from "../need.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Where `.ci/guest` unpacks kernels. */
export const GUEST_CACHE = `${ROOT}.cache/guest`;
const UML_MODULES = "/usr/lib/uml/modules";

/** Which kernel: Debian's own 6.1 or 6.12 in qemu, or Debian's user-mode Linux. */
export type GuestKernel = "6.1" | "6.12" | "uml";

/** What a machine starts with. */
export interface MachineOptions {
  readonly initrd: string;
  /** Files that become `/dev/vda`, `/dev/vdb`... */
  readonly disks: readonly string[];
  /** Memory in MiB. */
  readonly memory: number;
  /** Parameters of the kernel that every guest gets. */
  readonly parameters: readonly string[];
  /** A folder for what the machine keeps while it runs. */
  readonly folder: string;
}

/** One way to run a guest. */
export interface Machine {
  /** How results name it. */
  readonly title: string;
  /** Why it cannot run here, or `undefined`. */
  missing(): string | undefined;
  /** The folder with `<version>/modules.dep` and the rest. */
  modules(): string;
  /** The command that boots it; it prints the console on standard output. */
  command(options: MachineOptions): { command: string; args: string[] };
}

function names(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}

function needed(...programs: string[]): string | undefined {
  const missing = [...programs, "cpio", "busybox", "mkfs.ext4"]
    .filter((name) => program(name) === undefined);
  return missing.length === 0
    ? undefined
    : `program missing: ${missing.join(", ")}`;
}

/** Emulated in software: slow, but any kernel, and it needs nothing of the machine. */
function qemu(kernel: "6.1" | "6.12"): Machine {
  const folder = `${GUEST_CACHE}/${kernel}`;
  return {
    title: `Linux ${kernel}`,
    missing() {
      if (Deno.env.get("CONTAINERKIT_GUEST") === undefined) {
        return "guest: ./dev test --guest boots it";
      }
      if (Deno.build.arch !== "x86_64") return "guest: for x86_64 alone";
      return needed("qemu-system-x86_64") ??
        (names(folder).length === 0
          ? `guest: no kernel ${kernel} could be fetched`
          : undefined);
    },
    modules: () => `${folder}/lib/modules`,
    command({ initrd, disks, memory, parameters }) {
      const image = names(`${folder}/boot`)
        .find((name) => name.startsWith("vmlinuz"));
      return {
        command: program("qemu-system-x86_64")!,
        args: [
          ..."-M q35 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -nographic -no-reboot -nodefaults -serial stdio"
            .split(" "),
          ...["-m", String(memory)],
          ...["-kernel", `${folder}/boot/${image}`],
          ...["-initrd", initrd],
          // earlyprintk keeps 6.12 from hanging at boot with a large initrd.
          "-append",
          [
            "console=ttyS0",
            "earlyprintk=ttyS0",
            "mitigations=off",
            ...parameters,
          ].join(" "),
          ...disks.flatMap((disk) => [
            "-drive",
            `file=${disk},format=raw,if=virtio,cache=none`,
          ]),
        ],
      };
    },
  };
}

/** A kernel as a program of this machine: it boots in seconds, so the ordinary tests use it. */
const uml: Machine = {
  title: "user-mode Linux",
  missing: () =>
    needed("linux.uml") ??
      (names(UML_MODULES).length === 0
        ? "guest: user-mode Linux has no modules"
        : undefined),
  modules: () => UML_MODULES,
  command: ({ initrd, disks, memory, parameters, folder }) => ({
    command: program("linux.uml")!,
    args: [
      `mem=${memory}M`,
      `initrd=${initrd}`,
      `uml_dir=${folder}`,
      "con=null",
      "con0=null,fd:1",
      ...disks.map((disk, index) => `ubd${index}=${disk}`),
      ...parameters,
    ],
  }),
};

const MACHINES: Readonly<Record<GuestKernel, Machine>> = {
  "6.1": qemu("6.1"),
  "6.12": qemu("6.12"),
  uml,
};

/** The machine for a kernel. */
export function machineOf(kernel: GuestKernel): Machine {
  return MACHINES[kernel];
}
