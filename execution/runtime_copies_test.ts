import { assertEquals, assertRejects } from "@std/assert";
import { pipe, posixSpawn, waitId, waitReadable } from "@containerkit/libc";
import { mount } from "@containerkit/mount";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
  until,
} from "@containerkit/tests";
import { bundleOf, writeJson } from "./_bundle.ts";
import { cgroupTrees } from "./_cgroup_paths.ts";
import { outlastRuntimes } from "./_outlast_runtimes.ts";
import {
  create,
  createRuntime,
  createSpec,
  recoverContainers,
  run,
} from "./mod.ts";

/** Leaves in a folder what a runtime leaves that is killed while it copies itself. */
async function leaveCopy(folder: string, name: string): Promise<void> {
  const target = `${folder}/${name}`;
  await Deno.writeTextFile(target, "");
  const mounted = await mount(
    { type: "bind", source: Deno.execPath() },
    target,
  );
  mounted.keep();
}

/** Arguments and folder of its copy, of a program that stands for a runtime which is killed meanwhile. */
function killedRuntime(folder: string): string {
  const path = `${folder}/crun`;
  Deno.writeTextFileSync(
    path,
    [
      "#!/bin/sh",
      'case " $* " in *" delete "*|*" features "*) exit;; esac',
      'copy="$_LIBCONTAINER_STATEDIR/crun.a1B2c3"',
      `echo "$copy" >>${folder}/copies`,
      '> "$copy"; mount --bind /bin/sh "$copy"',
      "exec sleep 1000",
    ].join("\n"),
    { mode: 0o755 },
  );
  return path;
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

rootTest(
  "create() and the verbs leave no copy of a runtime that they kill",
  async () => {
    using temp = tempDir();
    const rootfs = `${temp.path}/rootfs`;
    Deno.mkdirSync(rootfs);
    const command = killedRuntime(temp.path);
    const runtime = { command, root: `${temp.path}/root` };
    const copies = () => {
      try {
        return Deno.readTextFileSync(`${temp.path}/copies`).trim().split("\n");
      } catch {
        return [];
      }
    };
    const mounted = (path: string) =>
      Deno.readTextFileSync("/proc/self/mountinfo").includes(` ${path} `);
    const calls = [
      async (signal: AbortSignal) => {
        const spec = await createSpec({}, { rootfs, args: ["true"] });
        await create("a", spec, {
          state: `${temp.path}/state`,
          runtime,
          signal,
          stderr: "null",
        });
      },
      (signal: AbortSignal) => createRuntime(runtime).state("a", { signal }),
      (signal: AbortSignal) => createRuntime(runtime).start("a", { signal }),
    ];
    for (const [index, call] of calls.entries()) {
      const killed = new AbortController();
      const failed = assertRejects(
        async () => await call(killed.signal),
        DOMException,
      );
      await until(
        "the copy",
        () => copies().length > index && mounted(copies()[index]!),
      );
      killed.abort();
      await failed;
      assertEquals(exists(copies()[index]!), false);
    }
  },
  need("busybox"),
);

rootTest(
  "recoverContainers() removes the copies of runtimes that were killed",
  async () => {
    using temp = tempDir();
    const state = `${temp.path}/state`;
    const bundle = `${state}/containers/a`;
    const own = `${state}/runtime/a`;
    for (const folder of [bundle, own]) {
      Deno.mkdirSync(folder, { recursive: true });
    }
    await Deno.writeTextFile(
      `${bundle}/intent.json`,
      JSON.stringify(createRuntime({ root: `${state}/runtime` }).options),
    );
    await Deno.writeTextFile(
      `${bundle}/config.json`,
      JSON.stringify({ linux: { cgroupsPath: "/containerkit-copies" } }),
    );
    await leaveCopy(bundle, "crun.N1S0h1");
    await leaveCopy(own, "runc.N1S0h1");
    assertEquals((await recoverContainers({ state })).undone, ["a"]);
    assertEquals([exists(bundle), exists(own)], [false, false]);
  },
  need("runc"),
);

rootTest(
  "a container is deleted with the copies that killed execs left",
  async () => {
    using temp = tempDir();
    const rootfs = `${temp.path}/rootfs`;
    Deno.mkdirSync(rootfs);
    makeBusyboxRootfs(rootfs);
    const state = `${temp.path}/state`;
    for (const native of [true, false]) {
      const container = await run(
        "a",
        await createSpec({}, { rootfs, args: ["sleep", "1000"] }),
        { state, runtime: { native } },
      );
      Deno.mkdirSync(`${container.bundle}/exec/b`, { recursive: true });
      await leaveCopy(`${container.bundle}/exec/b`, "crun.N1S0h1");
      await leaveCopy(`${state}/runtime/a`, "runc.N1S0h1");
      await container[Symbol.asyncDispose]();
      assertEquals(exists(container.bundle), false);
      assertEquals(exists(`${state}/runtime/a`), false);
    }
  },
  need("runc", "busybox"),
);

rootTest(
  "recoverContainers() removes what is left of a further process whose program was killed, once it has ended",
  async () => {
    using temp = tempDir();
    const rootfs = `${temp.path}/rootfs`;
    Deno.mkdirSync(rootfs);
    makeBusyboxRootfs(rootfs);
    const state = `${temp.path}/state`;
    const sleep = ["sleep", "1000"];
    await using container = await run(
      "a",
      await createSpec({}, { rootfs, args: sleep }),
      { state },
    );
    const execs = `${container.bundle}/exec`;
    await using one = await container.exec(sleep);
    const [live] = [...Deno.readDirSync(execs)];
    // As it is left: nobody wrote down how it ended.
    const record = { pid: one.pid, startTime: 1 };
    Deno.mkdirSync(`${execs}/lost`);
    writeJson(`${execs}/lost/record.json`, record);
    await recoverContainers({ state });
    assertEquals([...Deno.readDirSync(execs)], [live]);
    one.kill("KILL");
    assertEquals((await one.status).signal, "SIGKILL");
    await recoverContainers({ state });
    assertEquals([...Deno.readDirSync(execs)], [live]);
  },
  need("runc", "busybox"),
);

/** A program that stands for a runtime which ends, when it is asked to delete, the process whose id is in a file. */
function endingRuntime(folder: string): string {
  const path = `${folder}/crun`;
  Deno.writeTextFileSync(
    path,
    `#!/bin/sh
case " $* " in *" delete "*)
  read -r pid < ${folder}/pid
  kill -9 "$pid"
  until grep -q "^State:.*Z" "/proc/$pid/status"; do :; done
esac
`,
    { mode: 0o755 },
  );
  return path;
}

for (const isKnown of [false, true]) {
  rootTest(
    `recoverContainers() does not wait for the first process of a container that nobody will start, and reaps it, one that its runtime ${
      isKnown ? "ends" : "does not know"
    }`,
    async () => {
      using temp = tempDir();
      const state = `${temp.path}/state`;
      const bundle = `${state}/containers/a`;
      const cgroup = `/containerkit-unstarted-${Deno.pid}`;
      const command = isKnown ? endingRuntime(temp.path) : "runc";
      const { options } = createRuntime({ command, root: `${state}/runtime` });
      Deno.mkdirSync(bundle, { recursive: true });
      await Deno.writeTextFile(
        `${bundle}/intent.json`,
        JSON.stringify(options),
      );
      await Deno.writeTextFile(
        `${bundle}/config.json`,
        JSON.stringify({ linux: { cgroupsPath: cgroup } }),
      );
      // As crun leaves it when it is killed: with the arguments of `crun create`.
      const [reader, writer] = pipe();
      using _writer = writer;
      const { pid, pidfd } = posixSpawn(
        "sh",
        ["-c", "read line", `${bundle}/pid`],
        { stdio: [reader.number, "ignore", "ignore"], env: {} },
      );
      using _pidfd = pidfd;
      reader.close();
      Deno.writeTextFileSync(`${temp.path}/pid`, `${pid}\n`);
      for (const { target } of cgroupTrees().values()) {
        // It takes nobody in before it has processors.
        if (target.endsWith("/cpuset")) continue;
        const path = `${target}${cgroup}`;
        Deno.mkdirSync(path, { recursive: true });
        Deno.writeTextFileSync(`${path}/cgroup.procs`, String(pid));
      }
      assertEquals((await recoverContainers({ state })).undone, ["a"]);
      // It is a child of this program here, and reaped by it.
      assertEquals([exists(`/proc/${pid}`), exists(bundle)], [false, false]);
    },
    need("runc"),
  );
}

rootTest(
  "outlastRuntimes() waits for a runtime, and ends one that goes on for too long",
  async () => {
    using temp = tempDir();
    const bundle = bundleOf(`${temp.path}/state`, "a");
    const [reader, writer] = pipe();
    const { pid, pidfd } = posixSpawn("sh", ["-c", "read line", bundle.pid], {
      stdio: [reader.number, "ignore", "ignore"],
      env: {},
    });
    using _pidfd = pidfd;
    using _writer = writer;
    reader.close();
    const isOver = waitReadable(pidfd).then(() => waitId(pidfd));
    // It has its words a little after it is there.
    await until(
      "its words",
      () => Deno.readTextFileSync(`/proc/${pid}/cmdline`) !== "",
    );
    await outlastRuntimes(bundle, "/containerkit-none", 100);
    assertEquals((await isOver)?.reason, "killed");
    assertEquals(exists(`/proc/${pid}`), false);
  },
);
