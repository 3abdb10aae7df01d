/**
 * Other kernels than the machine's, without hardware support: Debian's in qemu.
 *
 * A guest boots from memory with the sources of the repository, Deno, and the
 * programs it is told to bring along, runs one command in the root of the
 * repository and switches off. It takes about ten seconds to reach the command.
 *
 * ```ts ignore
 * guestTest("a name", { kernel: "6.1", command: "deno run -A --no-check probe.ts" });
 * const { code, output } = await runGuest({ kernel: "6.12", command: "uname -r" });
 * ```
 *
 * Tests of guests stand in this folder, and run by `./dev test --guest` alone.
 */
import { program } from "../need.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const CACHE = `${ROOT}.cache/guest`;
const LIBRARIES = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/x86_64-linux-gnu/libnss_files.so.2",
];

/** How often a guest may fall over at boot. */
const BOOTS = 3;

/** What every guest gets: the modules of the filesystems and disks. */
const MODULES =
  "virtio_pci virtio_blk loop overlay erofs squashfs ext4 xfs btrfs quota_v2 fuse";

/** Options of {@linkcode runGuest}. */
export interface GuestOptions {
  /** Which kernel, of those that `.ci/guest` unpacks. */
  readonly kernel: "6.1" | "6.12";
  /** What the shell runs in the root of the repository. */
  readonly command: string;
  /** Programs of this machine to bring along, such as `mkfs.xfs`; busybox is there. */
  readonly programs?: readonly string[];
  /** Further modules to load. */
  readonly modules?: readonly string[];
  /** Files that become the disks `/dev/vdb`, `/dev/vdc`...; the first disk is `/tmp`, empty ext4 of 1 GiB. */
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

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** The reason to skip tests with that guest. */
export function missingGuest(
  kernel: GuestOptions["kernel"],
): string | undefined {
  if (Deno.env.get("CONTAINERKIT_GUEST") === undefined) {
    return "guest: ./dev test --guest boots it";
  }
  if (Deno.build.arch !== "x86_64") return "guest: for x86_64 alone";
  for (const name of ["qemu-system-x86_64", "cpio", "busybox", "mkfs.ext4"]) {
    if (program(name) === undefined) return `program missing: ${name}`;
  }
  return isDirectory(`${CACHE}/${kernel}`)
    ? undefined
    : `guest: no kernel ${kernel} could be fetched`;
}

async function shell(script: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", script, "sh", ...args],
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`Cannot make the guest: ${decode(stderr)}`);
  return decode(stdout);
}

/** Programs and the libraries they need, at the same places as here. */
async function copyPrograms(
  paths: readonly string[],
  folder: string,
): Promise<void> {
  await shell(
    `folder=$1; shift
     for file in "$@"; do
       mkdir -p "$folder$(dirname "$file")"
       cp -L "$file" "$folder$file"
       { ldd "$file" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
         [ -e "$folder$library" ] || { mkdir -p "$folder$(dirname "$library")"; cp -L "$library" "$folder$library"; }
       done
     done`,
    folder,
    ...paths,
  );
}

function init(options: GuestOptions): string {
  const { command, modules = [] } = options;
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp NO_COLOR=1 DENO_DIR=/tmp/deno DENO_NO_UPDATE_CHECK=1 CONTAINERKIT_IN_GUEST=1
mkdir -p /proc /sys /dev /run /tmp /etc
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t cgroup2 cgroup /sys/fs/cgroup 2>/dev/null
ip link set lo up
echo 'root:x:0:0:root:/tmp:/bin/sh' >/etc/passwd
for module in ${MODULES} ${
    modules.join(" ")
  }; do modprobe $module 2>/dev/null; done
mount -t ext4 /dev/vda /tmp
cd /repo
echo GUEST-COMMAND
( ${command} ) 2>&1
echo "GUEST-EXIT $?"
sync
poweroff -f
`;
}

/** The part that is the same for all guests with a kernel: Deno, its libraries, busybox, the modules. */
async function baseArchive(kernel: string): Promise<string> {
  const archive = `${CACHE}/base-${kernel}.cpio`;
  try {
    const made = Deno.statSync(archive).mtime!;
    const parts = [Deno.execPath(), `${CACHE}/${kernel}`];
    if (parts.every((part) => Deno.statSync(part).mtime! < made)) {
      return archive;
    }
  } catch {
    // Not made yet.
  }
  const folder = await Deno.makeTempDir({ dir: CACHE });
  try {
    await shell(
      `mkdir -p "$1/bin" "$1/lib" "$1/etc" "$1/usr/local/bin" "$1/root"
       cp "$2" "$1/bin/busybox"
       cp -r "$3/lib/modules" "$1/lib/"
       cp -L "$4" "$1/usr/local/bin/deno"`,
      folder,
      program("busybox")!,
      `${CACHE}/${kernel}`,
      Deno.execPath(),
    );
    await copyPrograms([...LIBRARIES, Deno.execPath()], folder);
    await shell(
      `rm -f "$1$3"; cd "$1" && find . | cpio --quiet -o -H newc >"$2.new" && mv "$2.new" "$2"`,
      folder,
      archive,
      Deno.execPath(),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return archive;
}

/** The part of one run, behind the other in the same file. */
async function runArchive(
  options: GuestOptions,
  folder: string,
): Promise<string> {
  const tree = `${folder}/tree`;
  const mirror = Deno.env.get("JSR_URL");
  await Deno.mkdir(`${tree}/repo`, { recursive: true });
  await Deno.writeTextFile(`${tree}/init`, init(options), { mode: 0o755 });
  await copyPrograms(
    (options.programs ?? []).map((name) => {
      const path = program(name);
      if (path === undefined) throw new Error(`program missing: ${name}`);
      return path;
    }),
    tree,
  );
  // Where @std comes from a mirror folder it has the same place in the guest.
  await shell(
    `cd "$1" && find . -name .cache -prune -o -name .git -prune -o -print | cpio --quiet -pdm "$2/repo"
     [ -z "$3" ] || { mkdir -p "$2$3" && cp -r "$3/." "$2$3"; }
     cd "$2" && find . | cpio --quiet -o -H newc >"$4/run.cpio"
     cat "$5" "$4/run.cpio" >"$4/initrd"`,
    ROOT,
    tree,
    mirror?.startsWith("file://") ? new URL(mirror).pathname : "",
    folder,
    await baseArchive(options.kernel),
  );
  return `${folder}/initrd`;
}

/**
 * Boots a guest and runs a command in it.
 *
 * @throws {Error} If it does not switch off in time, with its last lines.
 */
export async function runGuest(options: GuestOptions): Promise<GuestResult> {
  const { kernel, disks = [], memory = 2048, onLine, timeout = 600_000 } =
    options;
  const folder = await Deno.makeTempDir({ dir: CACHE });
  try {
    const initrd = await runArchive(options, folder);
    const boot = `${CACHE}/${kernel}/boot`;
    const image = [...Deno.readDirSync(boot)].map(({ name }) => name)
      .find((name) => name.startsWith("vmlinuz"));
    const environment = Deno.env.get("JSR_URL");
    // earlyprintk keeps 6.12 from hanging at boot with a large initrd.
    const line =
      "console=ttyS0 earlyprintk=ttyS0 panic=-1 mitigations=off quiet rdinit=/init" +
      (environment === undefined ? "" : ` JSR_URL=${environment}`);
    const scratch = await makeScratch(folder);
    const start = () =>
      new Deno.Command("qemu-system-x86_64", {
        args: [
          ..."-M q35 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -nographic -no-reboot -nodefaults -serial stdio"
            .split(" "),
          "-m",
          String(memory),
          "-kernel",
          `${boot}/${image}`,
          "-initrd",
          initrd,
          "-append",
          line,
          ...[scratch, ...disks].flatMap((disk) => [
            "-drive",
            `file=${disk},format=raw,if=virtio,cache=none`,
          ]),
        ],
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    // Now and then an emulated kernel falls over before it reaches the command.
    for (let attempt = 1;; attempt++) {
      const result = await watch(start(), { onLine, timeout });
      const isBooted = result.output.includes("GUEST-COMMAND");
      const isPanic = result.output.includes("Kernel panic");
      if (isBooted || !isPanic || attempt === BOOTS) return result;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function makeScratch(folder: string): Promise<string> {
  const path = `${folder}/scratch`;
  await shell('truncate -s 1G "$1"; "$2" -q "$1"', path, program("mkfs.ext4")!);
  return path;
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
    child.kill("SIGKILL");
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
  const exit = /^GUEST-EXIT (\d+)$/m.exec(output);
  return { code: exit === null ? undefined : Number(exit[1]), output };
}
