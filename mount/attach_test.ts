import {
  assert,
  assertEquals,
  assertIsError,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { openAt, OpenFlag, SyscallError } from "@containerkit/libc";
import {
  isMountPoint,
  listMounts,
  mount,
  open,
  statMount,
  unmount,
  unmountIn,
} from "./mod.ts";
import { refusedMountApi } from "./_mount_api.ts";
import { rootTest, tempDir } from "../tests/mod.ts";

/** Runs something beside a process that has mounts of its own. */
async function withOtherMounts(
  use: (pid: number) => Promise<void>,
): Promise<void> {
  const child = new Deno.Command("unshare", {
    args: [
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      "echo ready; exec cat",
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  await output.read();
  try {
    await use(child.pid);
  } finally {
    await child.stdin.close();
    while (!(await output.read()).done);
    await child.status;
  }
}

const REFUSED = Deno.build.os === "linux" ? refusedMountApi() : undefined;

rootTest(
  "attachIn() attaches in the mounts of another process, and only there",
  async () => {
    await using temp = tempDir();
    const target = `${temp.path}/target`;
    Deno.mkdirSync(target);
    await withOtherMounts(async (pid) => {
      using tree = await open({ type: "tmpfs", size: 4096, nosuid: true });
      await tree.attachIn(pid, target);
      assertThrows(() => tree.path, Deno.errors.BadResource);
      assert(!isMountPoint(target));
      const [found] = listMounts({ pid, under: target });
      assertEquals(found?.type, "tmpfs");
      assert(found?.options.includes("nosuid"));
      using again = await open({ type: "tmpfs" });
      const error = await assertRejects(
        () => again.attachIn(pid, `${target}/none`),
        SyscallError,
        `Cannot attach the mount to "${target}/none" in the mounts of process ${pid}: openat2 failed with ENOENT`,
      );
      assertEquals(error.target, `${target}/none`);
      // It is still open, and can go elsewhere.
      using namespace = openAt(undefined, `/proc/${pid}/ns/mnt`);
      await again.attachIn(namespace, target);
      assertEquals(listMounts({ pid, under: target }).length, 2);
    });
  },
  REFUSED,
);

rootTest(
  "attachIn() says that a process has ended, and keeps the mount",
  async () => {
    const child = new Deno.Command("true").spawn();
    await child.status;
    using tree = await open({ type: "tmpfs" });
    await assertRejects(
      () => tree.attachIn(child.pid, "/mnt"),
      Deno.errors.NotFound,
      `Cannot attach the mount in the mounts of process ${child.pid}: there is no such process`,
    );
    Deno.writeTextFileSync(`${tree.path}/still`, "");
  },
  REFUSED,
);

rootTest(
  "unmountIn() takes a mount from another process, and does nothing more once it was aborted",
  async () => {
    await using temp = tempDir();
    const target = `${temp.path}/target`;
    Deno.mkdirSync(target);
    await withOtherMounts(async (pid) => {
      using tree = await open({ type: "tmpfs" });
      await tree.attachIn(pid, target);
      const mounts = () => listMounts({ pid, under: target }).length;
      const busy = Deno.openSync(`/proc/${pid}/root${target}/f`, {
        write: true,
        create: true,
      });
      const stop = new AbortController();
      const unmounted = unmountIn(pid, target, {
        retry: 60_000,
        signal: stop.signal,
      });
      setTimeout(() => stop.abort(new Error("stop")), 100);
      await assertRejects(() => unmounted, Error, "stop");
      busy.close();
      // One that still tried would try again every 10 ms.
      await new Promise((resolve) => setTimeout(resolve, 100));
      assertEquals(mounts(), 1);
      await unmountIn(pid, target);
      assertEquals(mounts(), 0);
    });
  },
  REFUSED,
);

rootTest(
  "unmountIn() takes away what attachIn() put behind a link, and nothing else",
  async (t) => {
    await using temp = tempDir();
    const { path } = temp;
    for (const name of ["a/volume", "b/volume"]) {
      Deno.mkdirSync(`${path}/${name}`, { recursive: true });
    }
    const [first, second] = [`${path}/a/volume`, `${path}/b/volume`];
    await withOtherMounts(async (pid) => {
      const attach = async (target: string) => {
        using tree = await open({ type: "tmpfs" });
        const { id } = tree;
        await tree.attachIn(pid, target);
        return id;
      };
      const isThere = (under: string) =>
        listMounts({ pid, under }).length === 1;
      await t.step("a link at its end", async () => {
        const link = `${path}/link`;
        Deno.symlinkSync("a/volume", link);
        const id = await attach(link);
        await unmountIn(pid, link, { id });
        assert(!isThere(first));
      });
      await t.step("another mount of the same name", async () => {
        const id = await attach(first);
        const other = await attach(second);
        await assertRejects(
          () => unmountIn(pid, first, { id: other }),
          SyscallError,
          "another mount is on it",
        );
        const unmounted = unmountIn(pid, first, { id, retry: 0 });
        // It has found the place; its thread has not begun, or was as fast as this.
        Deno.renameSync(`${path}/a`, `${path}/c`);
        Deno.symlinkSync("b", `${path}/a`);
        const isLate = await unmounted.then(() => true, (error) => {
          assertIsError(error, SyscallError, "openat2");
          return false;
        });
        assert(isThere(second));
        if (!isLate) await unmountIn(pid, `${path}/c/volume`, { id });
        assert(!isThere(`${path}/c/volume`));
      });
    });
  },
  REFUSED,
);

rootTest("attach() beneath swaps a mount that is in use", async () => {
  await using temp = tempDir();
  const { path } = temp;
  using first = await open({ type: "tmpfs", size: 4096 });
  first.attach(path);
  using second = await open({ type: "tmpfs", size: 8192 });
  second.attach(path, { beneath: true });
  assertEquals(listMounts({ under: path }).length, 2);
  assert(statMount(path).superOptions.includes("size=4k"));
  await unmount(path);
  assert(statMount(path).superOptions.includes("size=8k"));
  await unmount(path);
}, REFUSED);

rootTest(
  "attach() takes a descriptor, and says what does not fit",
  async () => {
    await using temp = tempDir();
    const { path } = temp;
    Deno.mkdirSync(`${path}/place`);
    Deno.writeTextFileSync(`${path}/file`, "");
    using tree = await open({ type: "tmpfs" });
    const error = assertThrows(
      () => tree.attach(`${path}/file`),
      SyscallError,
      "one is a directory and the other is not",
    );
    assertEquals(error.target, `${path}/file`);
    Deno.mkdirSync(`${tree.path}/inside`);
    {
      using inside = openAt(undefined, `${tree.path}/inside`, OpenFlag.PATH);
      assertThrows(() => tree.attach(inside), SyscallError);
    }
    {
      using place = openAt(undefined, `${path}/place`, OpenFlag.PATH);
      tree.attach(place);
    }
    await unmount(`${path}/place`);
  },
  REFUSED,
);

rootTest(
  "unmount() takes what is mounted below in the order in which it holds each other",
  async (t) => {
    await using temp = tempDir();
    const { path } = temp;
    const place = async (name: string) => {
      await Deno.mkdir(`${path}/${name}`, { recursive: true });
      (await mount({ type: "tmpfs" }, `${path}/${name}`)).keep();
    };
    const cases: Record<string, () => Promise<void>> = {
      async "made first, attached last"() {
        using late = await open({ type: "tmpfs" });
        await place("a");
        await place("a/b");
        await Deno.mkdir(`${path}/a/b/c`);
        late.attach(`${path}/a/b/c`);
      },
      async "hidden by another"() {
        using late = await open({ type: "tmpfs" });
        await place("a");
        await place("a/b/c");
        await place("a/b/c/d");
        late.attach(`${path}/a/b`);
      },
      async "gone with another"() {
        await place("a");
        const shared = await mount(
          { type: "bind", source: `${path}/a`, propagation: "shared" },
          `${path}/a`,
        );
        shared.keep();
        await Deno.mkdir(`${path}/a/b`);
        await Deno.mkdir(`${path}/a/c`);
        const bind = { type: "bind", source: `${path}/a` } as const;
        (await mount(bind, `${path}/a/b`)).keep();
        await place("a/c");
      },
      async "below one that is on the same place"() {
        await place("a");
        await place("a/b");
        await place("a");
        await place("a/c");
      },
    };
    for (const [name, make] of Object.entries(cases)) {
      await t.step(name, async () => {
        await Deno.mkdir(`${path}/a`);
        await make();
        await unmount(`${path}/a`, { recursive: true, all: true, retry: 0 });
        assertEquals(listMounts({ under: path }), []);
        await Deno.remove(`${path}/a`, { recursive: true });
      });
    }
  },
  REFUSED,
);
