import {
  createSpec,
  deleteContainer,
  exec,
  openContainer,
  run,
  type Spec,
} from "@containerkit/execution";
import { makeBusyboxRootfs } from "../busybox_rootfs.ts";
import { startContainerd } from "../containerd.ts";
import { peer, program } from "../need.ts";
import { peerCgroups } from "../peer_cgroups.ts";
import { tempDir } from "../temp_dir.ts";
import type { Bench } from "./bench.ts";
import { benchLogs } from "./_log_output.ts";

/** Containers started for the comparison of many. */
const MANY = 100;
/** Of them at the same time. */
const AT_ONCE = 10;
const ROUNDS = 21;

async function call(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) {
    throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
  }
}

async function inBatches(fn: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < MANY) await fn(next++);
  }));
}

/** Private and proportional memory of a process in MiB. */
function privateMiB(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  return [...text.matchAll(/^Private_\w+:\s+(\d+) kB$/gm)]
    .reduce((sum, [, kb]) => sum + Number(kb), 0) / 1024;
}

function monitorOf(state: string): number {
  for (const { name } of Deno.readDirSync("/proc")) {
    try {
      const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
      if (words.includes(state)) return Number(name);
    } catch {
      // It has gone.
    }
  }
  throw new Error("no monitor");
}

/** Containers, against the same runtime called by hand and against containerd. */
export async function suite(bench: Bench): Promise<void> {
  // What belongs to a boot is in memory, as in `/run` where that is so.
  using temp = tempDir({ dir: "/dev/shm" });
  const rootfs = `${temp.path}/rootfs`;
  await Deno.mkdir(rootfs);
  makeBusyboxRootfs(rootfs);
  const state = `${temp.path}/state`;
  const make = (args: string[]) =>
    createSpec({}, { rootfs, args, seccomp: "unconfined" });
  const spec = await make(["/bin/true"]);
  let count = 0;
  const ours = async () => {
    await using container = await run(`o${count++}`, spec, {
      state,
      stdout: "null",
      stderr: "null",
    });
    await container.status;
  };

  const bundle = `${temp.path}/bundle`;
  await Deno.mkdir(bundle);
  const write = (spec: Spec) =>
    Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(spec));
  await write({
    ...spec,
    linux: { ...spec.linux, cgroupsPath: "/containerkit-bench" },
  });
  const root = `${temp.path}/runc`;
  await bench.compare({
    name: "create, start, wait, delete: a shell with the same verbs",
    ours,
    peer: () =>
      call(
        "sh",
        "-c",
        `runc --root ${root} create --bundle ${bundle} --pid-file ${bundle}/pid b </dev/null >/dev/null 2>&1 &&
runc --root ${root} start b && while kill -0 $(cat ${bundle}/pid) 2>/dev/null && ! grep -q ') Z' /proc/$(cat ${bundle}/pid)/stat; do :; done
runc --root ${root} delete b`,
      ),
    goal: 1.1,
    rounds: ROUNDS,
  });
  await bench.compare({
    name: "create, start, wait, delete: runc run",
    ours,
    peer: () => call("runc", "--root", root, "run", "--bundle", bundle, "b"),
    goal: 1.3,
    rounds: ROUNDS,
  });

  await using sleeper = await run("sleeper", await make(["sleep", "10000"]), {
    state,
    stdout: "null",
    stderr: "null",
  });
  const execOurs = async () => {
    await using process = await exec({ id: "sleeper" }, ["true"], {
      state,
      stdout: "null",
      stderr: "null",
    });
    await process.status;
  };
  const loops = 200;
  const each = (fn: () => unknown) => {
    const start = performance.now();
    for (let index = 0; index < loops; index++) fn();
    return (performance.now() - start) / loops;
  };
  sleeper.state();
  sleeper.stats();
  bench.report("state", each(() => sleeper.state()), 0.5, "ms");
  bench.report("stats", each(() => sleeper.stats()), 0.5, "ms");

  for (
    const [name, ctr, containerd] of [
      ["1.6", program("ctr"), program("containerd")],
      ["2", peer("ctr"), peer("containerd")],
    ] as const
  ) {
    if (ctr === undefined || containerd === undefined) {
      bench.skip(`containerd ${name}`, "it is not installed");
      continue;
    }
    // The shim keeps runc's state in one place for all daemons.
    const peerId = `bench-${name}-${Deno.pid}`;
    await using daemon = await startContainerd(
      containerd,
      `${temp.path}/c${name}`,
    );
    const ctrRun = (id: string) =>
      call(
        ctr,
        "-a",
        daemon.socket,
        "run",
        "--rm",
        "--rootfs",
        rootfs,
        id,
        "/bin/true",
      );
    await bench.compare({
      name: `create, start, wait, delete: ctr ${name} run --rm`,
      ours,
      peer: () => ctrRun(`c${Deno.pid}-${count++}`),
      goal: 0.4,
      rounds: ROUNDS,
    });
    await call(
      ctr,
      "-a",
      daemon.socket,
      "run",
      "-d",
      "--rootfs",
      rootfs,
      peerId,
      "/bin/sleep",
      "10000",
    );
    await bench.compare({
      name: `exec: ctr ${name} task exec`,
      ours: execOurs,
      peer: () =>
        call(
          ctr,
          "-a",
          daemon.socket,
          "task",
          "exec",
          "--exec-id",
          `e${count++}`,
          peerId,
          "/bin/true",
        ),
      goal: 0.5,
      rounds: ROUNDS,
    });
    await call(
      ctr,
      "-a",
      daemon.socket,
      "task",
      "kill",
      "-s",
      "SIGKILL",
      peerId,
    );
    await call(ctr, "-a", daemon.socket, "task", "delete", "-f", peerId).catch(
      () => {},
    );
    await call(ctr, "-a", daemon.socket, "container", "delete", peerId).catch(
      () => {},
    );
    await bench.compare({
      name: `${MANY} containers, ${AT_ONCE} at a time: ctr ${name}`,
      ours: () => inBatches(ours),
      peer: () =>
        inBatches((index) => ctrRun(`m${count}-${index}`)).then(() =>
          void count++
        ),
      goal: 0.6,
      rounds: 1,
    });
  }

  const podman = program("podman");
  if (podman === undefined) {
    bench.skip("create, start, wait, delete: podman", "it is not installed");
  } else {
    using _cgroups = peerCgroups("libpod_parent");
    await bench.compare({
      name: "create, start, wait, delete: podman run --rm",
      ours,
      peer: () =>
        call(
          podman,
          `--root=${temp.path}/podman/root`,
          `--runroot=${temp.path}/podman/run`,
          "--cgroup-manager=cgroupfs",
          "--events-backend=file",
          "run",
          "--rm",
          "--network=none",
          // Where raising limits is not allowed, podman asks for it unless they are given.
          "--ulimit=nofile=1024:1024",
          "--ulimit=nproc=1024:1024",
          "--runtime=runc",
          "--rootfs",
          rootfs,
          "/bin/true",
        ),
      rounds: ROUNDS,
    });
  }

  await benchLogs(bench, { state, make });

  const kept = await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const id = `kept-${index}`;
      await using container = await run(id, await make(["sleep", "10000"]), {
        state,
        monitor: true,
        log: {},
      });
      container.keep();
      return id;
    }),
  );
  bench.report(
    "monitor of 10 containers, private memory",
    privateMiB(monitorOf(state)),
    12,
    "MiB",
  );
  for (const id of kept) {
    await using container = openContainer(id, { state });
    container.kill("KILL");
    await container.status;
    await deleteContainer(id, { state });
  }
}
