/**
 * Calls of libc and mounts: against the same in C, and against mount(8).
 */
import {
  cString,
  errno,
  errnoName,
  libcPath,
  library,
  openAt,
  OpenFlag,
  write,
} from "@containerkit/libc";
import { OPEN_CALLS } from "@containerkit/libc/calls";
import { type Mount, mount, unmount } from "@containerkit/mount";
import { program } from "../need.ts";
import { tempDir } from "../temp_dir.ts";
import type { Bench } from "./bench.ts";

/** Prints milliseconds a round of a kind. `syscalls` are those that the package makes, `mount` is mount(2). */
const C_SOURCE = String.raw`
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
enum { FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432, MOVE_MOUNT = 429, ID = 0x5fff };
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
static void new_way(const char *path) {
  struct statx found;
  int context = syscall(FSOPEN, "tmpfs", 1), tree;
  if (syscall(FSCONFIG, context, 1, "source", "tmpfs", 0)) exit(1);
  if (syscall(FSCONFIG, context, 1, "size", "4096", 0)) exit(1);
  if (syscall(FSCONFIG, context, 6, NULL, NULL, 0)) exit(1);
  tree = syscall(FSMOUNT, context, 1, 0);
  close(context);
  if (statx(tree, "", AT_EMPTY_PATH, ID, &found)) exit(1);
  if (syscall(MOVE_MOUNT, tree, "", AT_FDCWD, path, 0x14)) exit(1);
  close(tree);
  if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, ID, &found)) exit(1);
  if (umount2(path, UMOUNT_NOFOLLOW)) exit(1);
}
int main(int argc, char **argv) {
  const char *kind = argv[1], *path = argv[2];
  int rounds = atoi(argv[3]), sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
  int file = open("/dev/shm", O_RDWR | O_CLOEXEC | O_TMPFILE, 0600);
  static char bytes[65536];
  memset(bytes, 1, sizeof bytes); /* pages of its own, not the one of zeros */
  double start = now();
  for (int i = 0; i < rounds; i++) {
    if (!strcmp(kind, "open")) close(openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0));
    else if (!strcmp(kind, "null")) { if (pwrite(sink, bytes, 4096, 0) < 0) return 1; }
    else if (!strcmp(kind, "write")) { if (pwrite(file, bytes, sizeof bytes, 0) < 0) return 1; }
    else if (!strcmp(kind, "mount")) { if (mount("tmpfs", path, "tmpfs", 0, "size=4096")) return 1; if (umount2(path, 0)) return 1; }
    else new_way(path);
  }
  printf("%f\n", (now() - start) / rounds / 1e6);
  return 0;
}`;

/** The two calls by name, as a program that needs no more declares them. */
const CALLS = {
  /** `int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)` */
  mount: {
    parameters: ["buffer", "buffer", "buffer", "u64", "buffer"],
    result: "i32",
  },
  /** `int umount2(const char *target, int flags)` */
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
} as const;

const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;

/** A call that does nothing: what is around it shows. */
const GETPPID = {
  /** `pid_t getppid(void)` */
  getppid: { parameters: [], result: "i32" },
} as const;

async function run(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${command}: ${decode(stderr)}`);
  return decode(stdout);
}

/** A layer for each number, with a file of its own. */
function makeLayers(folder: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const layer = `${folder}/layer-${index}`;
    Deno.mkdirSync(layer);
    Deno.writeTextFileSync(`${layer}/file-${index}`, "");
    return layer;
  });
}

async function compareCalls(bench: Bench, folder: string): Promise<void> {
  const compiler = ["cc", "gcc"].map(program).find(Boolean);
  if (compiler === undefined) {
    bench.skip("calls against C", "there is no compiler");
    return;
  }
  const binary = `${folder}/calls`;
  await Deno.writeTextFile(`${binary}.c`, C_SOURCE);
  await run(compiler, ["-O2", "-o", binary, `${binary}.c`]);
  const file = `${folder}/file`;
  const place = `${folder}/place`;
  await Deno.writeTextFile(file, "");
  await Deno.mkdir(place);
  const peer = (kind: string, path: string, rounds: number) => async () =>
    Number(await run(binary, [kind, path, String(rounds)]));
  const each = (rounds: number, call: () => void) => {
    const start = performance.now();
    for (let round = 0; round < rounds; round++) call();
    return (performance.now() - start) / rounds;
  };

  await bench.compare({
    name: "open and close a file, against C",
    ours: () => each(100_000, () => openAt(undefined, file).close()),
    peer: peer("open", file, 100_000),
    goal: 1.3,
    rounds: 8,
  });
  using sink = openAt(undefined, "/dev/null", OpenFlag.WRONLY);
  using memory = openAt(
    undefined,
    "/dev/shm",
    OpenFlag.RDWR | OpenFlag.TMPFILE,
  );
  const bytes = new Uint8Array(65_536);
  await bench.compare({
    name: "write 64 KiB to a file in memory, against C",
    ours: () => each(20_000, () => write(memory, bytes, { offset: 0 })),
    peer: peer("write", "/dev/null", 20_000),
    goal: 1.3,
    rounds: 8,
  });
  const few = bytes.subarray(0, 4096);
  await bench.compare({
    name: "write to /dev/null, against C (under 1 us: no goal)",
    ours: () => each(100_000, () => write(sink, few, { offset: 0 })),
    peer: peer("null", "/dev/null", 100_000),
    rounds: 8,
  });
  using symbols = library(CALLS);
  const { mount: mountCall, umount2 } = symbols();
  await bench.compare({
    name: "mount and umount a tmpfs, the calls of libc, against C",
    ours: () =>
      each(500, () => {
        const type = cString("tmpfs");
        const at = cString(place);
        const result = mountCall(type, at, type, 0n, cString("size=4096"));
        if (result !== 0 || umount2(cString(place), 0) !== 0) {
          throw new Error(`mount: ${errnoName(errno())}`);
        }
      }),
    peer: peer("mount", place, 500),
    goal: 1.3,
    rounds: 12,
  });
  await compareTracing(bench, file);
  const tmpfs: Mount = { type: "tmpfs", size: 4096 };
  await bench.compare({
    name: "mount() and unmount() of the package, against its calls in C",
    ours: async () => {
      const start = performance.now();
      for (let round = 0; round < 500; round++) {
        await using _ = await mount(tmpfs, place);
      }
      return (performance.now() - start) / 500;
    },
    peer: peer("syscalls", place, 500),
    goal: 2,
    rounds: 12,
  });
}

/** What the hook for tracing costs while nobody listens: the same calls through a table that has none. */
async function compareTracing(bench: Bench, file: string): Promise<void> {
  const table = { ...GETPPID, ...OPEN_CALLS };
  const bare = Deno.dlopen(libcPath(), table);
  using traceable = library(table);
  const { getppid, openat, close } = bare.symbols;
  const each = (rounds: number, call: () => void) => () => {
    const start = performance.now();
    for (let round = 0; round < rounds; round++) call();
    return (performance.now() - start) / rounds;
  };
  await bench.compare({
    name: "the least call, with the hook nobody listens to, against without",
    ours: each(50_000, () => traceable().getppid()),
    peer: each(50_000, () => getppid()),
    goal: 1.1,
    rounds: 60,
  });
  const path = cString(file);
  await bench.compare({
    name: "open and close, with the hook nobody listens to, against without",
    ours: each(
      5_000,
      () =>
        void traceable().close(
          traceable().openat(AT_FDCWD, path, O_CLOEXEC, 0),
        ),
    ),
    peer: each(
      5_000,
      () => void close(openat(AT_FDCWD, path, O_CLOEXEC, 0)),
    ),
    goal: 1.1,
    rounds: 60,
  });
  bare.close();
}

async function compareOverlay(bench: Bench, folder: string): Promise<void> {
  const place = `${folder}/rootfs`;
  for (const name of ["rootfs", "upper", "work"]) {
    Deno.mkdirSync(`${folder}/${name}`);
  }
  const lower = makeLayers(folder, 10);
  const upper = `${folder}/upper`;
  const work = `${folder}/work`;
  await bench.compare({
    name: "overlay of 10 layers, against mount(8)",
    ours: async () => {
      const start = performance.now();
      await mount({ type: "overlay", lower, upper, work }, place);
      const taken = performance.now() - start;
      await unmount(place);
      return taken;
    },
    peer: async () => {
      const start = performance.now();
      await run("mount", [
        "-t",
        "overlay",
        "overlay",
        "-o",
        `lowerdir=${lower.join(":")},upperdir=${upper},workdir=${work}`,
        place,
      ]);
      const taken = performance.now() - start;
      await unmount(place);
      return taken;
    },
    goal: 0.25,
    rounds: 21,
  });
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function timeErofs(bench: Bench, folder: string): Promise<void> {
  const name = "100 detached erofs layers and the overlay of them";
  const mkfs = program("mkfs.erofs");
  if (mkfs === undefined) return bench.skip(name, "mkfs.erofs is missing");
  const lower: Mount[] = [];
  for (const layer of makeLayers(folder, 100)) {
    await run(mkfs, [`${layer}.erofs`, layer]);
    lower.push({ type: "erofs", source: `${layer}.erofs` });
  }
  const place = `${folder}/rootfs`;
  Deno.mkdirSync(place);
  const times: number[] = [];
  for (let round = 0; round < 9; round++) {
    const start = performance.now();
    await mount({ type: "overlay", lower }, place);
    if (round > 0) times.push(performance.now() - start);
    await unmount(place);
  }
  bench.report(name, median(times), 40, "ms");
}

/** How late a timer is while something runs: what others on the event loop feel. */
async function stall(work: () => Promise<unknown>): Promise<number> {
  let latest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    latest = Math.max(latest, now - last - 1);
    last = now;
  }, 1);
  await work();
  latest = Math.max(latest, performance.now() - last - 1);
  clearInterval(timer);
  return latest;
}

async function timeStall(bench: Bench, folder: string): Promise<void> {
  const place = `${folder}/stall`;
  const lower = `${folder}/stall-lower`;
  const upper = `${folder}/stall-upper`;
  const work = `${folder}/stall-work`;
  for (const path of [place, lower, upper, work]) Deno.mkdirSync(path);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    await mount({
      type: "overlay",
      lower: [lower],
      upper,
      work,
    }, place);
    await Deno.writeFile(`${place}/data`, new Uint8Array(64 << 20));
    times.push(await stall(() => unmount(place)));
  }
  bench.report(
    "the event loop while an overlay with 64 MiB of dirty data unmounts",
    median(times),
    5,
    "ms",
  );
}

/** Measures; each part in a folder of its own. */
export async function suite(bench: Bench): Promise<void> {
  for (const part of [compareCalls, compareOverlay, timeErofs, timeStall]) {
    await using temp = tempDir();
    await part(bench, temp.path);
  }
}
