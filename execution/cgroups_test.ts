import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import {
  pidfdSendSignal,
  posixSpawn,
  waitId,
  waitReadable,
} from "@containerkit/libc";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
  until,
} from "@containerkit/tests";
import { cgroupTrees } from "./_cgroup_paths.ts";
import { containerCgroups } from "./_cgroup_procs.ts";
import {
  createSpec,
  type CreateSpecOptions,
  deleteContainer,
  listContainers,
  openContainer,
  readEvents,
  run,
  RuntimeError,
  type RuntimeOptions,
  type SpecResources,
} from "./mod.ts";

const missing = need("runc", "busybox");

/** Runs a script with limits, whatever version of cgroups the machine has. */
async function start(
  folder: string,
  script: string,
  resources: SpecResources = {},
  { runtime, ...options }: Partial<CreateSpecOptions> & {
    readonly runtime?: RuntimeOptions;
  } = {},
) {
  const rootfs = `${folder}/rootfs`;
  Deno.mkdirSync(rootfs);
  makeBusyboxRootfs(rootfs);
  const spec = await createSpec({}, {
    rootfs,
    args: ["sh", "-c", script],
    seccomp: "unconfined",
    resources,
    ...options,
  });
  return await run("a", spec, {
    state: `${folder}/state`,
    ...runtime === undefined ? {} : { runtime },
    stdout: "null",
    stderr: "null",
  });
}

/** A cgroup with a limit of memory, for others below it. */
function limitedCgroup(bytes: number) {
  const name = `containerkit-above-${Deno.pid}`;
  const root = "/sys/fs/cgroup";
  const v1 = `${root}/memory`;
  const isV1 = exists(v1);
  const path = `${isV1 ? v1 : root}/${name}`;
  Deno.mkdirSync(path);
  const limits = isV1
    ? ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
    : ["memory.max", "memory.swap.max"];
  for (const [index, file] of limits.entries()) {
    if (!exists(`${path}/${file}`)) continue;
    const value = !isV1 && index === 1 ? 0 : bytes;
    Deno.writeTextFileSync(`${path}/${file}`, String(value));
  }
  return {
    name,
    path,
    [Symbol.dispose]() {
      for (const tree of [root, ...folders(root)]) {
        if (exists(`${tree}/${name}`)) Deno.removeSync(`${tree}/${name}`);
      }
    },
  };
}

function folders(path: string): string[] {
  return names(path).filter((name) => Deno.lstatSync(name).isDirectory);
}

const names = (path: string) =>
  exists(path)
    ? [...Deno.readDirSync(path)].map(({ name }) => `${path}/${name}`)
    : [];

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

rootTest(
  "status tells that the kernel killed for lack of memory, and an event does before",
  async () => {
    using temp = tempDir();
    const limit = 16 << 20;
    {
      // tail keeps a line that never ends in memory.
      await using container = await start(temp.path, "tail /dev/zero", {
        memory: { limit, swap: limit },
      });
      const { cgroups } = container;
      const { oomKilled, oomCgroup, signal, success } = await container.status;
      assertEquals([oomKilled, success], [true, false]);
      assertEquals(oomCgroup, cgroups.memory ?? cgroups.unified);
      assertEquals(signal === null || signal === "SIGKILL", true);
    }
    const types: string[] = [];
    for await (const { type } of readEvents({ state: `${temp.path}/state` })) {
      types.push(type);
    }
    assertEquals(types, ["create", "start", "oom", "exit", "delete"]);
  },
  missing,
);

rootTest(
  "status tells of a kill for lack of memory that was before the container was opened, and one event does",
  async () => {
    using temp = tempDir();
    const state = `${temp.path}/state`;
    const limit = 16 << 20;
    {
      await using container = await start(
        temp.path,
        "tail /dev/zero; sleep 1000",
        { memory: { limit, swap: limit } },
      );
      const types = ["oom"] as const;
      const events = readEvents({ state, types, follow: true });
      await events.next();
      await events.return(undefined);
      container.keep();
    }
    {
      await using container = openContainer("a", { state });
      const { cgroups } = container;
      container.kill("KILL");
      const { oomKilled, oomCgroup } = await container.status;
      assertEquals([oomKilled, oomCgroup], [
        true,
        cgroups.memory ?? cgroups.unified,
      ]);
    }
    await deleteContainer("a", { state });
    const events = await Array.fromAsync(readEvents({ state }));
    assertEquals(
      events.map(({ type }) => type),
      ["create", "start", "oom", "exit", "delete"],
    );
  },
  missing,
);

rootTest(
  "status tells whose limit was hit, when it was that of a cgroup above",
  async () => {
    using temp = tempDir();
    using above = limitedCgroup(16 << 20);
    await using container = await start(temp.path, "tail /dev/zero", {}, {
      cgroup: `/${above.name}/inner`,
    });
    const { oomKilled, oomCgroup } = await container.status;
    assertEquals([oomKilled, oomCgroup], [true, above.path]);
  },
  missing,
);

rootTest("status does not take an ordinary kill for one", async () => {
  using temp = tempDir();
  await using container = await start(temp.path, "sleep 1000");
  container.kill("KILL");
  assertEquals((await container.status).oomKilled, false);
}, missing);

rootTest("stats() measures and update() changes limits", async () => {
  using temp = tempDir();
  await using container = await start(
    temp.path,
    "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; sleep 1000",
    { memory: { limit: 64 << 20 }, pids: { limit: 50 } },
  );
  let metrics = container.stats();
  assertEquals([metrics.memory?.limit, metrics.pids?.limit], [64 << 20, 50]);
  assertGreater(metrics.memory?.usage, 0);
  assertGreater(metrics.cpu?.usage, 0);
  assertGreater(Object.keys(metrics.memory?.stat ?? {}).length, 10);
  assertEquals(metrics.network?.map(({ name }) => name).includes("lo"), true);
  await container.update({
    memory: { limit: 32 << 20, swap: 64 << 20 },
    pids: { limit: 20 },
  });
  metrics = container.stats();
  assertEquals([metrics.memory?.limit, metrics.pids?.limit], [32 << 20, 20]);
}, missing);

rootTest(
  "update() of the limit of memory keeps that of memory and swap together",
  async () => {
    using temp = tempDir();
    const mib = (count: number) => count << 20;
    await using container = await start(temp.path, "sleep 1000", {
      memory: { limit: mib(64), swap: mib(128) },
    });
    const limits = () => {
      const { limit, swap } = container.stats().memory!;
      const isAlone = container.cgroups.memory === undefined && limit &&
        swap?.limit;
      return [limit, isAlone ? limit + swap.limit! : swap?.limit];
    };
    assertEquals(limits(), [mib(64), mib(128)]);
    await container.update({ memory: { limit: mib(96) } });
    assertEquals(limits(), [mib(96), mib(128)]);
    await container.update({ memory: { swap: mib(112) } });
    assertEquals(limits(), [mib(96), mib(112)]);
    await assertRejects(
      () => container.update({ memory: { limit: mib(256) } }),
      RuntimeError,
      "below the limit of memory",
    );
    await container.update({ memory: { limit: -1 } });
    assertEquals(limits(), [undefined, undefined]);
    // By the runtime, which sets all again.
    await container.update({ pids: { limit: 0 } });
    assertEquals(limits(), [undefined, undefined]);
  },
  missing,
);

/** A disk of the machine, as `major:minor`. */
const disk =
  names("/sys/block").filter((path) => !/\/(loop|ram|nbd|zram)\d+$/.test(path))
    .map((path) => Deno.readTextFileSync(`${path}/dev`).trim())[0];

rootTest(
  "update() that fails leaves the limits of block devices as they were",
  async () => {
    using temp = tempDir();
    await using container = await start(temp.path, "sleep 1000");
    const { blkio, unified } = container.cgroups;
    const limits = () =>
      Deno.readTextFileSync(
        blkio === undefined
          ? `${unified}/io.max`
          : `${blkio}/blkio.throttle.read_bps_device`,
      );
    const [major = 0, minor = 0] = disk!.split(":").map(Number);
    const update = (
      ...rates: { major: number; minor: number; rate: number }[]
    ) => container.update({ blockIO: { throttleReadBpsDevice: rates } });
    const none = { major: 999, minor: 0, rate: 1 };
    for (const before of [undefined, { major, minor, rate: 1 << 20 }]) {
      if (before !== undefined) await update(before);
      const was = limits();
      await assertRejects(
        () => update({ major, minor, rate: 1 << 21 }, none),
        RuntimeError,
        "999:0",
      );
      assertEquals(limits(), was);
    }
  },
  missing ?? (disk === undefined ? "no disk here" : undefined),
);

rootTest(
  "a container with the host's processes ends with all of its own",
  async () => {
    using temp = tempDir();
    const rootfs = `${temp.path}/rootfs`;
    Deno.mkdirSync(rootfs);
    makeBusyboxRootfs(rootfs);
    const spec = await createSpec({}, {
      rootfs,
      args: ["sh", "-c", "sleep 1000 & sleep 1000 & exit 6"],
      namespaces: { pid: "host" },
      seccomp: "unconfined",
    });
    await using container = await run("a", spec, {
      state: `${temp.path}/state`,
      stdout: "null",
      stderr: "null",
    });
    assertEquals((await container.status).code, 6);
  },
  missing,
);

rootTest(
  "deleteContainer() of a container with the host's processes ends those that outlived the first",
  async () => {
    using temp = tempDir();
    const options = { namespaces: { pid: "host" } } as const;
    const state = `${temp.path}/state`;
    {
      await using container = await start(
        temp.path,
        "sleep 1000 & exec sleep 1001",
        {},
        options,
      );
      await until("both", () => container.pids().length === 2);
      // Nobody looks when it ends.
      container.keep();
      Deno.kill(container.pid, "SIGKILL");
      await until("its end", () => container.state() === "stopped");
    }
    await deleteContainer("a", { state });
    assertEquals(listContainers({ state }), []);
  },
  missing,
);

rootTest(
  "containerCgroups() knows those of a process that has ended, and never the root or what is above",
  async () => {
    const name = `/containerkit-ended-${Deno.pid}`;
    using stack = new DisposableStack();
    const made: string[] = [];
    for (const { target } of cgroupTrees().values()) {
      const path = `${target}${name}`;
      // Trees of several controllers; and one that takes nobody in before it has processors.
      if (exists(path) || target.endsWith("/cpuset")) continue;
      Deno.mkdirSync(path);
      stack.defer(() => Deno.removeSync(path));
      made.push(path);
    }
    const { pid, pidfd } = posixSpawn("sleep", ["1000"], {
      stdio: ["ignore", "ignore", "ignore"],
      env: {},
    });
    using _ = pidfd;
    const given = (path: string) =>
      Object.values(containerCgroups(pid, path)).sort();
    assertEquals(given("/no-such"), []); // where this program is
    for (const path of made) {
      Deno.writeTextFileSync(`${path}/cgroup.procs`, String(pid));
    }
    const all = given(name);
    assertEquals([...new Set(all)], [...new Set(made)].sort());
    pidfdSendSignal(pidfd, 9);
    await waitReadable(pidfd);
    assertEquals(given(name), all);
    assertEquals(given("/no-such").every((path) => made.includes(path)), true);
    waitId(pidfd);
  },
);

rootTest(
  "update() of two at once keeps the limits of both, and pause() that was called off pauses nothing",
  async () => {
    using temp = tempDir();
    await using container = await start(temp.path, "sleep 1000", {}, {
      runtime: { native: false },
    });
    await Promise.all([
      container.update({ pids: { limit: 20 } }),
      container.update({ memory: { limit: 64 << 20 } }),
    ]);
    const { memory, pids } = container.stats();
    assertEquals([memory?.limit, pids?.limit], [64 << 20, 20]);
    assertEquals(
      JSON.parse(Deno.readTextFileSync(`${container.bundle}/resources.json`)),
      { pids: { limit: 20 }, memory: { limit: 64 << 20 } },
    );
    await assertRejects(
      () => container.pause({ signal: AbortSignal.abort() }),
      DOMException,
    );
    assertEquals(container.state(), "running");
  },
  missing,
);
