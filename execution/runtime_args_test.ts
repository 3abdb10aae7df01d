import { assertEquals, assertRejects } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import {
  createRuntime,
  type Runtime,
  RuntimeError,
  type RuntimeFlavor,
} from "./mod.ts";

/** A program that stands for a runtime: it notes what it is called with. */
function fakeRuntime(flavor: RuntimeFlavor, folder: string) {
  const command = `${folder}/${flavor}`;
  const notes = `${folder}/notes`;
  Deno.writeTextFileSync(
    command,
    `#!/bin/sh
printf '%s\\n' "$*" >>${notes}
case " $* " in *" list "*|*" ps "*|*" state "*|*" features "*) echo '[]' ;; esac
`,
    { mode: 0o755 },
  );
  return {
    runtime: createRuntime({
      command,
      root: "/r",
      systemdCgroup: true,
      args: ["+"],
    }),
    /** The calls, from the verb on; and what stands before the first. */
    taken() {
      const lines = Deno.readTextFileSync(notes).trim().split("\n");
      return {
        before: lines[0]!.split(" + ")[0]!,
        calls: lines.map((line) => line.split(" + ")[1]!),
      };
    },
  };
}

/** Every verb with every option that all runtimes have. */
async function callAll(runtime: Runtime, folder: string): Promise<void> {
  const call = {
    pidFile: "/p",
    logFile: `${folder}/log`,
    stdio: ["ignore", "ignore", "ignore"],
  } as const;
  await runtime.create("a", "/b", { ...call, consoleSocket: "/s" });
  await runtime.start("a");
  await runtime.exec("a", { ...call, process: "/j" });
  await runtime.state("a");
  await runtime.list();
  await runtime.ps("a");
  await runtime.kill("a", "SIGUSR1", { all: true });
  await runtime.delete("a", { force: true });
  await runtime.pause("a");
  await runtime.resume("a");
  await runtime.update("a", {});
  await runtime.checkpoint("a", "/i", { leaveRunning: true });
  await runtime.features();
  await runtime.version();
}

const LIKE_RUNC = [
  "create --bundle /b --pid-file /p --console-socket /s a",
  "start a",
  "exec --detach --process /j --pid-file /p a",
  "state a",
  "list --format json",
  "ps --format json a",
  "kill --all a USR1",
  "delete --force a",
  "pause a",
  "resume a",
  "update --resources - a",
  "checkpoint --image-path /i --work-path /i --leave-running a",
  "features",
  "--version",
];
const LIKE_RUNSC = [
  "create -bundle=/b -pid-file=/p -console-socket=/s a",
  "start a",
  "exec -detach -process=/j -pid-file=/p a",
  "state a",
  "list -format=json",
  "ps -format=json a",
  "kill -all a USR1",
  "delete -force a",
  "pause a",
  "resume a",
  "update -resources=- a",
  "checkpoint -image-path=/i -leave-running a",
  "features",
  "--version",
];

for (const flavor of ["runc", "crun", "youki", "runsc"] as const) {
  Deno.test(`createRuntime() speaks to ${flavor} in its own way`, async () => {
    using temp = tempDir();
    const { runtime, taken } = fakeRuntime(flavor, temp.path);
    assertEquals(runtime.options.flavor, flavor);
    await callAll(runtime, temp.path);
    const { before, calls } = taken();
    const isRunsc = flavor === "runsc";
    // crun takes what is in front of a colon for the kind of log.
    const log = `${flavor === "crun" ? "file:" : ""}${temp.path}/log`;
    assertEquals(
      before,
      isRunsc
        ? `-root=/r -log-format=json -log=${log} -systemd-cgroup`
        : `--root /r --log-format json --log ${log} --systemd-cgroup`,
    );
    assertEquals(calls, isRunsc ? LIKE_RUNSC : LIKE_RUNC);
  });
}

Deno.test("createRuntime() refuses what a runtime does not have", async () => {
  using temp = tempDir();
  const call = {
    pidFile: "/p",
    logFile: `${temp.path}/log`,
    stdio: ["ignore", "ignore", "ignore"],
  } as const;
  const make = (flavor: RuntimeFlavor) =>
    createRuntime({ command: "/no/such", flavor });
  const exec = { ...call, process: "/j" };
  const restore = { ...call, imagePath: "/i" };
  const cases: readonly [string, () => Promise<unknown>][] = [
    [
      'Cannot restore container "a": youki has no verb "restore"',
      () => make("youki").restore("a", "/b", restore),
    ],
    [
      'Cannot checkpoint container "a": youki has no option "pre-dump" of "checkpoint"',
      () => make("youki").checkpoint("a", "/i", { preDump: true }),
    ],
    [
      'Cannot checkpoint container "a": runsc has no option "tcp-established" of "checkpoint"',
      () => make("runsc").checkpoint("a", "/i", { tcpEstablished: true }),
    ],
    [
      'Cannot create container "a": runsc has no option "no-pivot" of "create"',
      () => make("runsc").create("a", "/b", { ...call, noPivot: true }),
    ],
    [
      'Cannot create container "a": runsc has no option "preserve-fds" of "create"',
      () =>
        make("runsc").create("a", "/b", {
          ...call,
          stdio: [...call.stdio, "ignore"],
        }),
    ],
    [
      'Cannot run a process in container "a": runsc has no option "ignore-paused" of "exec"',
      () => make("runsc").exec("a", { ...exec, ignorePaused: true }),
    ],
  ];
  for (const [message, fn] of cases) {
    const error = await assertRejects(fn, RuntimeError, message);
    assertEquals(error.code, "NotSupported");
  }
});

Deno.test("createRuntime() hands further descriptors and options to runc", async () => {
  using temp = tempDir();
  const { runtime, taken } = fakeRuntime("runc", temp.path);
  const call = {
    pidFile: "/p",
    logFile: `${temp.path}/log`,
    stdio: ["ignore", "ignore", "ignore", "ignore"],
  } as const;
  await runtime.create("a", "/b", {
    ...call,
    noPivot: true,
    noNewKeyring: true,
  });
  await runtime.exec("a", { ...call, process: "/j", ignorePaused: true });
  await runtime.checkpoint("a", "/i", {
    workPath: "/w",
    parentPath: "/o",
    preDump: true,
    tcpEstablished: true,
    externalUnix: true,
    shellJob: true,
    fileLocks: true,
  });
  await runtime.restore("a", "/b", {
    ...call,
    stdio: ["ignore", "ignore", "ignore"],
    imagePath: "/i",
    consoleSocket: "/s",
  });
  assertEquals(taken().calls, [
    "create --bundle /b --pid-file /p --no-pivot --no-new-keyring --preserve-fds 1 a",
    "exec --detach --process /j --ignore-paused --pid-file /p --preserve-fds 1 a",
    "checkpoint --image-path /i --work-path /w --tcp-established --ext-unix-sk --shell-job --file-locks --parent-path /o --pre-dump a",
    "restore --detach --bundle /b --image-path /i --work-path /i --pid-file /p --console-socket /s a",
  ]);
});
