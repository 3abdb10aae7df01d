/** What a guest boots from: a filesystem in memory with Deno, programs, modules and the repository. */
import { program } from "../need.ts";
import { GUEST_CACHE, type GuestKernel, machineOf } from "./_machines.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const LIBRARIES = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/x86_64-linux-gnu/libnss_files.so.2",
];

/** What every guest gets: the modules of the filesystems and disks. */
const MODULES =
  "virtio_pci virtio_blk loop overlay erofs squashfs ext4 xfs btrfs quota_v2 fuse";

/** What stands between the console and the command. */
export const COMMAND_MARK = "GUEST-COMMAND";
/** What stands before the exit code. */
export const EXIT_MARK = "GUEST-EXIT";

/** What one run brings along. */
export interface InitrdOptions {
  readonly kernel: GuestKernel;
  readonly command: string;
  readonly programs?: readonly string[];
  readonly folders?: readonly string[];
  readonly modules?: readonly string[];
}

/** Runs a script of the shell, with `$1`, `$2`... */
export async function shell(
  script: string,
  ...args: string[]
): Promise<string> {
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

function init({ command, modules = [] }: InitrdOptions): string {
  return `#!/bin/busybox sh
# Nobody can pivot away from the very first root, as runtimes do: a bind of it on top has what that takes.
if [ -z "$MOVED" ]; then
  /bin/busybox --install -s /bin
  export MOVED=1
  mkdir -p /moved
  mount --bind / /moved
  cd /moved
  mount --move . /
  exec chroot . /init
fi
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
for name in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$name >/sys/fs/cgroup/cgroup.subtree_control; done 2>/dev/null
ip link set lo up
echo 'root:x:0:0:root:/tmp:/bin/sh' >/etc/passwd
for module in ${MODULES} ${
    modules.join(" ")
  }; do modprobe $module 2>/dev/null; done
for letter in a b c d e; do [ ! -e /dev/ubd$letter ] || ln -s ubd$letter /dev/vd$letter; done
mount -t ext4 /dev/vda /tmp
cd /repo
echo ${COMMAND_MARK}
( ${command} ) 2>&1
echo "${EXIT_MARK} $?"
sync
poweroff -f
`;
}

/** The part that is the same for all guests with a kernel: Deno, its libraries, busybox, the modules. */
async function baseArchive(kernel: GuestKernel): Promise<string> {
  const archive = `${GUEST_CACHE}/base-${kernel}.cpio`;
  const modules = machineOf(kernel).modules();
  try {
    const made = Deno.statSync(archive).mtime!;
    const parts = [Deno.execPath(), modules];
    if (parts.every((part) => Deno.statSync(part).mtime! < made)) {
      return archive;
    }
  } catch {
    // Not made yet.
  }
  const folder = await Deno.makeTempDir({ dir: GUEST_CACHE });
  try {
    await shell(
      `mkdir -p "$1/bin" "$1/lib" "$1/etc" "$1/usr/local/bin" "$1/root"
       cp "$2" "$1/bin/busybox"
       cp -r "$3" "$1/lib/modules"
       cp -L "$4" "$1/usr/local/bin/deno"`,
      folder,
      program("busybox")!,
      modules,
      Deno.execPath(),
    );
    await copyPrograms([...LIBRARIES, Deno.execPath()], folder);
    await shell(
      `rm -f "$1$3"; cd "$1" && find . | cpio --quiet -o -H newc >"$2.$$" && mv "$2.$$" "$2"`,
      folder,
      archive,
      Deno.execPath(),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return archive;
}

/** Makes what a guest boots from in a folder: the part of the kernel, and that of this run behind it. */
export async function makeInitrd(
  options: InitrdOptions,
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
  for (const path of options.folders ?? []) {
    await shell('mkdir -p "$1$2" && cp -rL "$2/." "$1$2"', tree, path);
  }
  // Where @std comes from a mirror folder it has the same place in the guest.
  await shell(
    `cd "$1" && find . -name .cache -prune -o -name .git -prune -o -print | cpio --quiet -pdm "$2/repo"
     [ -z "$3" ] || { mkdir -p "$2$3" && cp -r "$3/." "$2$3"; }
     cd "$2" && find . | cpio --quiet -o -H newc >"$4/run.cpio"
     cat "$5" "$4/run.cpio" >"$4/initrd"
     rm -r "$4/run.cpio" "$2"`,
    ROOT,
    tree,
    mirror?.startsWith("file://") ? new URL(mirror).pathname : "",
    folder,
    await baseArchive(options.kernel),
  );
  return `${folder}/initrd`;
}
