/**
 * Other kernels than the machine's, without hardware support: Debian's in qemu,
 * and user-mode Linux. See README.md in this folder.
 *
 * ```ts ignore
 * const { code, output } = await runGuest({ kernel: "6.12", command: "uname -r" });
 * ```
 */
import { program } from "../need.ts";
import {
  COMMAND_MARK,
  EXIT_MARK,
  type InitrdOptions,
  makeInitrd,
  shell,
} from "./_initrd.ts";
import { GUEST_CACHE, machineOf } from "./_machines.ts";

/** How often a guest may fall over at boot. */
const BOOTS = 3;

/** Options of {@linkcode runGuest}. */
export interface GuestOptions extends InitrdOptions {
  /** What the shell runs in the root of the repository. */
  readonly command: string;
  /** Programs of this machine to bring along, such as `mkfs.xfs`; busybox is there. */
  readonly programs?: readonly string[];
  /** Folders of this machine to bring along, at the same places. */
  readonly folders?: readonly string[];
  /** Parameters of the kernel. */
  readonly parameters?: readonly string[];
  /** Further modules to load. */
  readonly modules?: readonly string[];
  /** Files that become the disks `/dev/vdb`, `/dev/vdc`...; the first disk is `/tmp`, empty ext4 of 2 GiB. */
  readonly disks?: readonly string[];
  /** Memory in MiB. */
  readonly memory?: number;
  /** Gets each line that the guest prints; `cut()` ends it as a power cut would. */
  readonly onLine?: (line: string, guest: { cut(): void }) => void;
  /** When to give up, in milliseconds. */
  readonly timeout?: number;
}

/** What a guest left. */
export interface GuestResult {
  /** How the command ended; `undefined` if the guest was cut or did not come that far. */
  readonly code: number | undefined;
  /** All it printed, the kernel's lines too. */
  readonly output: string;
}

/**
 * Boots a guest and runs a command in it.
 *
 * @throws {Error} If it does not switch off in time, with its last lines.
 */
export async function runGuest(options: GuestOptions): Promise<GuestResult> {
  const { disks = [], memory = 2048, onLine, timeout = 900_000 } = options;
  await Deno.mkdir(GUEST_CACHE, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: GUEST_CACHE });
  try {
    const mirror = Deno.env.get("JSR_URL");
    const { command, args } = machineOf(options.kernel).command({
      initrd: await makeInitrd(options, folder),
      disks: [await makeScratch(folder), ...disks],
      memory,
      folder,
      parameters: [
        "panic=-1",
        "quiet",
        "rdinit=/init",
        ...(mirror === undefined ? [] : [`JSR_URL=${mirror}`]),
        ...options.parameters ?? [],
      ],
    });
    // Now and then a kernel falls over, or ends without a word, before it reaches the command.
    for (let attempt = 1;; attempt++) {
      const child = new Deno.Command(command, {
        args,
        // User-mode Linux keeps its memory in a file there.
        env: { TMPDIR: folder },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      let isCut = false;
      const result = await watch(child, {
        timeout,
        onLine: (line, { cut }) =>
          onLine?.(line, {
            cut() {
              isCut = true;
              cut();
            },
          }),
      });
      const isBooted = result.output.includes(COMMAND_MARK);
      if (isBooted || isCut || attempt === BOOTS) return result;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function makeScratch(folder: string): Promise<string> {
  const path = `${folder}/scratch`;
  await shell('truncate -s 2G "$1"; "$2" -q "$1"', path, program("mkfs.ext4")!);
  return path;
}

/** A process and all that descend from it. */
function withDescendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const parent = Number(
        stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1],
      );
      children.set(parent, [...children.get(parent) ?? [], Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [pid];
  for (const one of found) found.push(...children.get(one) ?? []);
  return found;
}

async function watch(
  child: Deno.ChildProcess,
  { onLine, timeout }: {
    onLine: GuestOptions["onLine"];
    timeout: number;
  },
): Promise<GuestResult> {
  const lines: string[] = [];
  let state = "on" as "on" | "cut" | "late";
  const end = (reason: "cut" | "late") => {
    if (state !== "on") return;
    state = reason;
    // User-mode Linux has helpers, which would go on writing and hold its output open.
    const all = withDescendants(child.pid);
    child.kill("SIGKILL");
    for (const pid of all) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It is dead already.
      }
    }
  };
  const timer = setTimeout(() => end("late"), timeout);
  let rest = "";
  const take = (text: string) => {
    const parts = (rest + text).split(/\r*\n/);
    rest = parts.pop() ?? "";
    for (const line of parts) {
      lines.push(line);
      onLine?.(line, { cut: () => end("cut") });
    }
  };
  const decoder = new TextDecoder();
  const errors = new Response(child.stderr).text();
  for await (const chunk of child.stdout) {
    take(decoder.decode(chunk, { stream: true }));
  }
  clearTimeout(timer);
  await child.status;
  const output = [...lines, rest, await errors].join("\n");
  if (state === "late") {
    throw new Error(
      `The guest did not end in ${timeout} ms:\n${output.slice(-4000)}`,
    );
  }
  const exit = new RegExp(`^${EXIT_MARK} (\\d+)$`, "m").exec(output);
  return { code: exit === null ? undefined : Number(exit[1]), output };
}
