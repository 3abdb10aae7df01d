// deno-lint-ignore-file no-console
/** What mounts and calls of libc do in a container, as one line of JSON. Run there by mount_container_test.ts. */
import {
  CloneFlag,
  copyFileRange,
  eventFd,
  Inotify,
  openAt,
  openAt2,
  OpenFlag,
  pidfdOpen,
  pidfdSendSignal,
  receiveMessage,
  sendMessage,
  setXattr,
  socketPair,
  statAt,
  statFs,
  syncFs,
  SyscallError,
  unshare,
  waitReadable,
  write,
} from "@containerkit/libc";
import {
  features,
  isMountPoint,
  listMounts,
  type Mount,
  mount,
  open,
  statMount,
  unmount,
} from "@containerkit/mount";

/** What a call gives, or how it was refused. */
async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return await call() ?? "done";
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = error instanceof SyscallError ? error.code : error.name;
    return { code, message: error.message };
  }
}

const folder = Deno.makeTempDirSync();
const at = (name: string) => `${folder}/${name}`;
for (const name of ["lower", "lower2", "upper", "work", "target", "part/in"]) {
  Deno.mkdirSync(at(name), { recursive: true });
}
Deno.writeTextFileSync(at("lower/file"), "below");
Deno.writeTextFileSync(at("part/in/file"), "inside");

/** Mounts, looks, and unmounts. */
const tried = (given: Mount, look: () => unknown) =>
  outcome(async () => {
    await using _mounted = await mount(given, at("target"));
    return look();
  });

async function calls(): Promise<string[]> {
  const done: string[] = [];
  using root = openAt(undefined, folder, OpenFlag.DIRECTORY);
  {
    using inside = openAt2(root, "/../../lower/file");
    done.push(`openat2 ${statAt(inside, "").size}`);
    using copy = openAt(
      root,
      "copy",
      OpenFlag.WRONLY | OpenFlag.CREAT,
    );
    done.push(`copy_file_range ${copyFileRange(inside, copy, { length: 9 })}`);
  }
  await syncFs(root);
  done.push(`statfs ${statFs(folder).type !== 0}`);
  setXattr(at("copy"), "user.a", new Uint8Array([1]));
  const [a, b] = socketPair();
  sendMessage(a, new Uint8Array([1]), { fds: [root] });
  const fds = receiveMessage(b)!.fds;
  done.push(`message ${fds.length}`);
  for (const fd of [a, b, ...fds]) fd.close();
  using event = eventFd();
  write(event, new Uint8Array(BigUint64Array.of(1n).buffer));
  await waitReadable(event);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "await new Promise((resolve) => setTimeout(resolve, 1e6))"],
    stdin: "null",
  }).spawn();
  using pidfd = pidfdOpen(child.pid);
  pidfdSendSignal(pidfd, 9);
  await waitReadable(pidfd);
  done.push(`pidfd ${(await child.status).signal}`);
  using _inotify = new Inotify();
  return done;
}

async function wrongErrors(): Promise<number> {
  let wrong = 0;
  for (let round = 0; round < 20_000; round++) {
    try {
      openAt(undefined, round % 2 === 0 ? "/no/such" : "/etc/passwd/x");
    } catch (error) {
      const code = round % 2 === 0 ? "ENOENT" : "ENOTDIR";
      if (!(error instanceof SyscallError) || error.code !== code) wrong++;
    }
    if (round % 5000 === 0) await Deno.stat("/");
  }
  return wrong;
}

const attributes = { nosuid: true, nodev: true, noexec: true } as const;
console.log(JSON.stringify({
  calls: await outcome(calls),
  wrongErrors: await wrongErrors(),
  unshare: await outcome(() => unshare(CloneFlag.NEWNS)),
  detached: features()["detached-mounts"],
  root: isMountPoint("/"),
  proc: statMount("/proc").type,
  mounts: listMounts().length > 3,
  tmpfs: await tried(
    { type: "tmpfs", size: 1 << 20, ...attributes, readonly: true },
    () => statMount(at("target")).options.toSorted().join(),
  ),
  bind: await tried(
    { type: "bind", source: at("part"), subpath: "in", readonly: true },
    () => Deno.readTextFileSync(at("target/file")),
  ),
  overlay: await tried({
    type: "overlay",
    lower: [at("lower"), at("lower2")],
    upper: at("upper"),
    work: at("work"),
  }, () => {
    Deno.writeTextFileSync(at("target/new"), "");
    return [...Deno.readDirSync(at("target"))].map(({ name }) => name).sort();
  }),
  unmount: await outcome(() => unmount("/proc")),
  open: await outcome(async () => {
    using _tree = await open({ type: "tmpfs" });
  }),
}));
Deno.removeSync(folder, { recursive: true });
