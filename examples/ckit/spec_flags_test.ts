import { assertEquals, assertThrows } from "@std/assert";
import { type Arguments, UsageError } from "./command.ts";
import { specOptionsOf } from "./spec_flags.ts";

type Given = Record<string, string | boolean | string[]>;

function given(flags: Given): Arguments {
  const take = (name: string) => flags[name];
  return {
    words: [],
    flag: (name) => take(name) === true,
    string: (name) => take(name) as string | undefined,
    list: (name) => (take(name) ?? []) as string[],
  };
}

Deno.test("specOptionsOf() leaves alone what no flag names", () => {
  assertEquals(specOptionsOf(given({})), {
    env: {},
    resources: {},
    readonlyRootfs: false,
    privileged: false,
    addCapabilities: [],
    dropCapabilities: [],
    devices: [],
    groups: [],
    mounts: [],
    annotations: {},
  });
});

Deno.test("specOptionsOf() reads Docker's forms", () => {
  const options = specOptionsOf(given({
    env: ["A=1=2"],
    device: ["/dev/fuse", "/dev/a:/dev/b:r", "/dev/c:rw"],
    tmpfs: ["/t", "/u:size=64M,mode=755", "/v:rw,noexec,dev"],
    ulimit: ["nofile=10:20", "core=0", "memlock=-1", "nproc=5:-1"],
    "security-opt": ["no-new-privileges=false", "seccomp=unconfined"],
    entrypoint: "",
    pid: "host",
    memory: "1G",
    cpus: "0.5",
  }));
  assertEquals(options.env, { A: "1=2" });
  assertEquals(options.devices, [
    { path: "/dev/fuse" },
    { path: "/dev/a", destination: "/dev/b", access: "r" },
    { path: "/dev/c", access: "rw" },
  ]);
  const common = { type: "tmpfs", nosuid: true, nodev: true } as const;
  assertEquals(options.mounts, [
    { destination: "/t", mount: common },
    { destination: "/u", mount: { ...common, size: 2 ** 26, mode: 0o755 } },
    { destination: "/v", mount: { type: "tmpfs", nosuid: true, noexec: true } },
  ]);
  assertEquals(options.rlimits, {
    RLIMIT_NOFILE: [10, 20],
    RLIMIT_CORE: [0, 0],
    RLIMIT_MEMLOCK: [Infinity, Infinity],
    RLIMIT_NPROC: [5, Infinity],
  });
  assertEquals(options.noNewPrivileges, false);
  assertEquals(options.seccomp, "unconfined");
  assertEquals(options.entrypoint, []);
  assertEquals(options.namespaces, { pid: "host" });
  assertEquals(options.resources, {
    memory: { limit: 2 ** 30 },
    cpu: { quota: 50_000, period: 100_000 },
  });
});

Deno.test("specOptionsOf() takes variables from files, and flags win", () => {
  const file = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(file, "# no variable\nA=file\n\nB=file\n");
    assertEquals(
      specOptionsOf(given({ "env-file": [file], env: ["B=flag"] })).env,
      { A: "file", B: "flag" },
    );
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("specOptionsOf() refuses what it cannot read", () => {
  for (
    const flags of [
      { tmpfs: ["/t:uid=1"] },
      { tmpfs: ["/t:size"] },
      { tmpfs: ["/t:mode=9"] },
      { env: [""] },
      { env: ["=a"] },
      { ulimit: ["nofile"] },
      { ulimit: ["nofile=many"] },
      { ulimit: ["nofile="] },
      { ulimit: ["nofile=1:2:3"] },
      { "pids-limit": "1.5" },
      { sysctl: ["net.core.somaxconn"] },
      { "security-opt": ["label=disable"] },
      { pid: "container:a" },
      { cpus: "" },
    ]
  ) {
    assertThrows(() => specOptionsOf(given(flags)), UsageError);
  }
});

Deno.test("specOptionsOf() names the profile that it cannot read", () => {
  const file = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(file, "{");
    const flags = { "security-opt": [`seccomp=${file}`] };
    assertThrows(() => specOptionsOf(given(flags)), SyntaxError, file);
  } finally {
    Deno.removeSync(file);
  }
});
