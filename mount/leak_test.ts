import { assert, assertEquals } from "@std/assert";
import { library } from "@containerkit/libc";
import { isMountPoint, listMounts, type Mount, mount, unmount } from "./mod.ts";
import { forceOverlayMode, type OverlayMode } from "./_overlay_mode.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { rootTest, tempDir } from "../tests/mod.ts";

const IS_LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

function stages(): string[] {
  return [...Deno.readDirSync("/tmp")].map(({ name }) => name)
    .filter((name) => name.startsWith("containerkit-stage-"));
}

/** The limit under which so many more can be opened. */
function limitFor(room: number): number {
  const used = new Set(
    [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name)
      .filter((name) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`) !== "";
        } catch {
          return false; // that of the listing itself
        }
      }).map(Number),
  );
  let limit = 0;
  for (let free = 0; free < room || used.has(limit); limit++) {
    if (!used.has(limit)) free++;
  }
  return limit;
}

const RANGE = { inside: 0, outside: 100_000, size: 65_536 };
const IDMAP = { uids: [RANGE], gids: [RANGE] };

/** Layers `a`, `b` and `c`, and upper, work and target. */
function prepare(path: string): void {
  for (const name of ["a", "b", "c", "upper", "work", "target"]) {
    Deno.mkdirSync(`${path}/${name}`);
  }
  Deno.writeTextFileSync(`${path}/a/file`, "");
}

/** Mounts that go and mounts that fail, each at another step. */
function cases(path: string): readonly Mount[] {
  const lower = [`${path}/a`, `${path}/b`];
  const bind = { type: "bind", source: `${path}/c` } as const;
  return [
    bind,
    { type: "tmpfs", size: 4096 },
    { type: "overlay", lower },
    { type: "overlay", lower, upper: `${path}/upper`, work: `${path}/work` },
    { type: "overlay", lower: [bind, ...lower], idmap: IDMAP },
    { type: "bind", source: `${path}/none` },
    { type: "bind", source: `${path}/a/file` },
    { ...bind, subpath: "none" },
    { type: "proc" as "tmpfs" },
    { type: "raw", fstype: "none", source: "none", options: [] },
    { type: "raw", fstype: "proc", source: "proc", options: [], idmap: IDMAP },
    { type: "tmpfs", size: -1 },
    { type: "overlay", lower: [...lower, `${path}/none`] },
    { type: "overlay", lower, options: { none: true } },
    { type: "overlay", lower, upper: `${path}/upper`, work: `${path}/a/x` },
    { type: "overlay", lower: [bind, { ...bind, source: `${path}/none` }] },
    { type: "overlay", lower: [bind, ...lower], subpath: "none" },
    { type: "erofs", source: `${path}/a/file`, devices: [`${path}/none`] },
    { type: "image", source: `${path}/a/file`, fstype: "ext4" },
  ];
}

rootTest(
  "many rounds of mounts that go and mounts that fail leave nothing",
  async () => {
    await using temp = tempDir();
    const { path } = temp;
    prepare(path);
    const list = cases(path);
    const mounts = listMounts().length;
    const open = descriptors();
    let succeeded = 0;
    for (let round = 0; round < (IS_LONG ? 1000 : 150); round++) {
      try {
        await using _ = await mount(
          list[round % list.length]!,
          `${path}/target`,
        );
        succeeded++;
      } catch {
        assert(!isMountPoint(`${path}/target`));
      }
    }
    assert(succeeded > 0);
    assertEquals(listMounts().length, mounts);
    assertEquals(descriptors(), open);
    assertEquals(stages(), []);
  },
);

rootTest(
  "a mount that runs out of descriptors at any step leaves nothing, whatever the way",
  async () => {
    await using temp = tempDir();
    const { path } = temp;
    prepare(path);
    const list = cases(path).slice(0, 5);
    // int prlimit64(pid_t pid, int resource, const struct rlimit64 *new, struct rlimit64 *old)
    using symbols = library({
      prlimit64: {
        parameters: ["i32", "i32", "buffer", "buffer"],
        result: "i32",
      },
    });
    const { prlimit64 } = symbols();
    const RLIMIT_NOFILE = 7;
    const before = new BigUint64Array(2);
    prlimit64(0, RLIMIT_NOFILE, null, before);
    const limit = (soft: bigint) =>
      prlimit64(
        0,
        RLIMIT_NOFILE,
        BigUint64Array.of(soft, before[1]!),
        null,
      );
    const mounts = listMounts().length;
    const failures = new Set<string>();
    for (const mode of ["detached", "names", "page"] as const) {
      forceOverlayMode(mode satisfies OverlayMode);
      for (const given of list) {
        for (let room = 0; room < 12; room++) {
          const open = descriptors();
          limit(BigInt(limitFor(room)));
          let failure: unknown;
          let mounted: AsyncDisposable | undefined;
          try {
            mounted = await mount(given, `${path}/target`);
          } catch (error) {
            failure = error;
          }
          limit(before[0]!);
          await mounted?.[Symbol.asyncDispose]();
          if (failure !== undefined) {
            failures.add((failure as { syscall?: string }).syscall ?? "other");
          }
          assertEquals(descriptors(), open);
          assertEquals(listMounts().length, mounts);
          assertEquals(stages(), []);
        }
      }
    }
    forceOverlayMode(undefined);
    for (const syscall of ["fsopen", "open_tree", "fsmount", "openat"]) {
      assert(failures.has(syscall), `${[...failures]} without ${syscall}`);
    }
  },
  Deno.build.os === "linux" ? refusedMountApi() : undefined,
);

rootTest(
  "mounts and unmounts that run at once do not disturb each other",
  async () => {
    await using temp = tempDir();
    const { path } = temp;
    prepare(path);
    const places = Array.from({ length: 20 }, (_, index) => {
      Deno.mkdirSync(`${path}/place-${index}`);
      return `${path}/place-${index}`;
    });
    for (let round = 0; round < 3; round++) {
      await Promise.all(places.map(async (place, index) => {
        const given: Mount = index % 2 === 0
          ? { type: "tmpfs" }
          : { type: "overlay", lower: [`${path}/a`, `${path}/b`] };
        await using _ = await mount(given, place);
        assert(isMountPoint(place));
      }));
    }
    assertEquals(listMounts({ under: path }), []);
    await unmount(`${path}/target`, { all: true });
  },
);
