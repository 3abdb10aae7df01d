import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FileType, mknodAt, SyscallError } from "@containerkit/libc";
import { rootTest, tempDir } from "@containerkit/tests";
import {
  createSpec,
  type CreateSpecOptions,
  defaultSeccomp,
  resolveUser,
  type Spec,
  SpecError,
  validateSpec,
} from "./mod.ts";

/** A root filesystem with only account files. */
function makeRootfs(files: Readonly<Record<string, string>> = {}) {
  const temp = tempDir();
  Deno.mkdirSync(`${temp.path}/etc`);
  for (const [path, text] of Object.entries(files)) {
    Deno.writeTextFileSync(`${temp.path}/${path}`, text);
  }
  return temp;
}

const ACCOUNTS = {
  "etc/passwd":
    "root:x:0:0::/root:/bin/sh\n# no\nweb:x:33:34::/:/bin/sh\nbroken\nbig:x:4294967295:0::/:\n",
  "etc/group": "root:x:0:\nwww:x:34:\nlogs:x:50:a,web,b\nwheel:x:10:root\n",
};

async function spec(options: Partial<CreateSpecOptions> = {}): Promise<Spec> {
  using rootfs = makeRootfs(ACCOUNTS);
  return await createSpec({ Cmd: ["true"] }, {
    rootfs: rootfs.path,
    ...options,
  });
}

Deno.test("createSpec() takes null for no environment, as an image that nobody has parsed has", async () => {
  const config = JSON.parse('{ "Env": null, "Cmd": ["true"] }');
  const { process } = await createSpec(config, { rootfs: "/" });
  assertEquals(process!.env, [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  ]);
});

Deno.test("createSpec() gives a path to an image that names other variables alone, or none of a value", async () => {
  const env = async (Env: string[]) =>
    (await createSpec({ Cmd: ["true"], Env }, { rootfs: "/" })).process!.env;
  const path =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  assertEquals(await env(["A=1", "NONE"]), [path, "A=1"]);
  assertEquals(await env(["A=1", "A", "PATH=/bin"]), ["PATH=/bin"]);
});

Deno.test("createSpec() takes an entrypoint that is empty for none", async () => {
  const config = { Entrypoint: [""], Cmd: ["true"] };
  const { process } = await createSpec(config, { rootfs: "/" });
  assertEquals(process!.args, ["true"]);
});

Deno.test("createSpec() takes the process from the image and lets the caller override it", async () => {
  using rootfs = makeRootfs(ACCOUNTS);
  const config = {
    Entrypoint: ["/entry"],
    Cmd: ["one"],
    Env: ["PATH=/bin", "A=1", "B=x=y"],
    WorkingDir: "/work",
    User: "web",
    StopSignal: "SIGQUIT",
  };
  const image = await createSpec({ config }, { rootfs: rootfs.path });
  assertEquals(image.process?.args, ["/entry", "one"]);
  assertEquals(image.process?.cwd, "/work");
  assertEquals(image.process?.env, ["PATH=/bin", "A=1", "B=x=y"]);
  assertEquals(image.process?.user, {
    uid: 33,
    gid: 34,
    additionalGids: [34, 50],
  });
  assertEquals(image.annotations, {
    "org.opencontainers.image.stopSignal": "SIGQUIT",
  });
  const over = await createSpec(config, {
    rootfs: rootfs.path,
    args: ["two"],
    env: { A: null, B: "2", C: "" },
    cwd: "/",
    user: "7:8",
    terminal: { height: 1, width: 2 },
  });
  assertEquals(over.process?.args, ["/entry", "two"]);
  assertEquals(over.process?.env, ["PATH=/bin", "B=2", "C=", "TERM=xterm"]);
  assertEquals(over.process?.user, { uid: 7, gid: 8, additionalGids: [8] });
  assertEquals(over.process?.consoleSize, { height: 1, width: 2 });
  const entry = await createSpec(config, {
    rootfs: rootfs.path,
    entrypoint: ["x"],
  });
  assertEquals(entry.process?.args, ["x"]);
});

Deno.test("createSpec() confines by default as containerd does", async () => {
  const { process, linux, mounts } = await spec();
  assertEquals(process?.noNewPrivileges, true);
  assertEquals(process?.capabilities?.bounding?.length, 14);
  assertEquals(process?.capabilities?.inheritable, undefined);
  assertEquals(process?.rlimits, [
    { type: "RLIMIT_NOFILE", soft: 1024, hard: 1024 },
  ]);
  assertEquals(mounts?.map(({ destination }) => destination), [
    "/proc",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/sys",
  ]);
  assertEquals(linux?.resources?.devices?.[0], { allow: false, access: "rwm" });
  assertEquals(linux?.maskedPaths?.includes("/proc/interrupts"), true);
  assertEquals(linux?.readonlyPaths?.includes("/proc/sys"), true);
  assertEquals(linux?.seccomp?.defaultAction, "SCMP_ACT_ERRNO");
  const types = linux?.namespaces?.map(({ type }) => type).filter((type) =>
    type !== "cgroup"
  );
  assertEquals(types, ["pid", "ipc", "uts", "mount", "network"]);
});

Deno.test("createSpec() expresses each family of options", async () => {
  const { process, linux, mounts, root, hostname } = await spec({
    readonlyRootfs: true,
    hostname: "h",
    addCapabilities: ["net_admin"],
    dropCapabilities: ["CAP_CHOWN"],
    ambientCapabilities: ["NET_ADMIN"],
    netns: "/run/netns/blue",
    namespaces: { ipc: "host", pid: { path: "/proc/1/ns/pid" } },
    timeOffsets: { boottime: 5 },
    userns: {
      uids: [{ container: 0, host: 100000, size: 65536 }],
      gids: [{ container: 0, host: 100000, size: 65536 }],
    },
    shmSize: 4096,
    cgroupMount: "readonly",
    withoutMounts: ["/dev/pts"],
    mounts: [
      {
        destination: "/data",
        mount: { type: "bind", source: "/srv", readonly: true },
      },
      { destination: "/dev/mqueue", mount: { type: "tmpfs", size: 1024 } },
    ],
    hostFiles: ["/etc/resolv.conf"],
    devices: ["/dev/null"],
    deviceRules: [{ allow: true, type: "b", access: "r" }],
    resources: { memory: { limit: 1 << 20 }, pids: { limit: 9 } },
    cgroup: "/pods/a",
    rlimits: { RLIMIT_CORE: [0, 5], RLIMIT_MEMLOCK: [1, Infinity] },
    oomScoreAdj: 100,
    sysctl: { "net.ipv4.ip_forward": "1" },
    seccomp: "unconfined",
    apparmorProfile: "p",
    umask: 0o27,
    linux: { personality: { domain: "LINUX" } },
  });
  assertEquals(root?.readonly, true);
  assertEquals(hostname, "h");
  assertEquals(process?.capabilities?.effective?.includes("CAP_CHOWN"), false);
  assertEquals(process?.capabilities?.ambient, ["CAP_NET_ADMIN"]);
  assertEquals(process?.rlimits, [
    { type: "RLIMIT_CORE", soft: 0, hard: 5 },
    { type: "RLIMIT_MEMLOCK", soft: 1, hard: 2 ** 64 },
  ]);
  assertEquals(process?.user.umask, 0o27);
  assertEquals(
    linux?.namespaces?.filter(({ type }) => type !== "cgroup"),
    [
      { type: "pid", path: "/proc/1/ns/pid" },
      { type: "uts" },
      { type: "mount" },
      { type: "network", path: "/run/netns/blue" },
      { type: "user" },
      { type: "time" },
    ],
  );
  assertEquals(linux?.timeOffsets, { boottime: { secs: 5 } });
  assertEquals(linux?.uidMappings, [
    { containerID: 0, hostID: 100000, size: 65536 },
  ]);
  assertEquals(linux?.seccomp, undefined);
  assertEquals(linux?.cgroupsPath, "/pods/a");
  assertEquals(linux?.personality, { domain: "LINUX" });
  assertEquals(linux?.devices?.[0]?.path, "/dev/null");
  assertEquals(linux?.resources?.devices?.slice(-2), [
    { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
    { allow: true, type: "b", access: "r" },
  ]);
  const by = new Map(mounts?.map((mount) => [mount.destination, mount]));
  assertEquals(by.has("/dev/pts"), false);
  assertEquals(by.get("/dev/mqueue")?.type, "tmpfs");
  assertEquals(by.get("/dev/shm")?.options?.includes("size=4096"), true);
  assertEquals(by.get("/data")?.options?.includes("ro"), true);
  assertEquals(by.get("/sys/fs/cgroup")?.options?.includes("ro"), true);
  assertEquals(by.get("/etc/resolv.conf")?.source, "/etc/resolv.conf");
});

Deno.test("createSpec() lifts what confines when privileged", async () => {
  const { process, linux, mounts } = await spec({ privileged: true });
  assertEquals(process?.noNewPrivileges, false);
  // All of the machine's, unless this program has been confined itself.
  const [, bounding] = /^CapBnd:\s+(\w+)$/m.exec(
    Deno.readTextFileSync("/proc/self/status"),
  )!;
  assertEquals(
    process?.capabilities?.bounding?.length,
    BigInt(`0x${bounding}`).toString(2).replaceAll("0", "").length,
  );
  assertEquals(linux?.seccomp, undefined);
  assertEquals([linux?.maskedPaths, linux?.readonlyPaths], [[], []]);
  const sys = mounts?.find(({ destination }) => destination === "/sys");
  assertEquals(sys?.options?.includes("ro"), false);
});

Deno.test("createSpec() refuses what no runtime can use", async () => {
  using rootfs = makeRootfs(ACCOUNTS);
  await assertRejects(
    () => createSpec({}, { rootfs: rootfs.path }),
    TypeError,
    "names no command",
  );
  await assertRejects(
    () => spec({ cwd: "relative" }),
    SpecError,
    "process.cwd",
  );
  await assertRejects(
    () => spec({ rootfs: "etc" }),
    TypeError,
    'the root filesystem "etc" is no absolute path',
  );
  for (const shmSize of [-1, NaN, 0.5]) {
    await assertRejects(() => spec({ shmSize }), RangeError, "/dev/shm");
  }
  for (const destination of ["/", "//", "/./.."]) {
    await assertRejects(
      () => spec({ mounts: [{ destination, mount: { type: "tmpfs" } }] }),
      TypeError,
      "that is the root filesystem",
    );
  }
  await assertRejects(
    () => spec({ env: { "A=B": "1" } }),
    TypeError,
    'without "="',
  );
  await assertRejects(
    () => spec({ addCapabilities: ["FLY"] }),
    TypeError,
    '"FLY"',
  );
  await assertRejects(
    () => spec({ ambientCapabilities: ["SYS_ADMIN"] }),
    TypeError,
    "does not have it",
  );
  await assertRejects(
    () => spec({ devices: ["/etc/hostname"] }),
    TypeError,
    "neither a device",
  );
  await assertRejects(
    () => spec({ devices: ["/dev/no-such"] }),
    Deno.errors.NotFound,
  );
  await assertRejects(
    () => spec({ user: "nobody-here" }),
    Deno.errors.NotFound,
    '"nobody-here"',
  );
  await assertRejects(
    () =>
      spec({
        mounts: [{
          destination: "/x",
          mount: { type: "overlay", lower: [{ type: "tmpfs" }] },
        }],
      }),
    TypeError,
  );
  await assertRejects(
    () => spec({ namespaces: { uts: "host" }, hostname: "h" }),
    SpecError,
    "UTS",
  );
});

Deno.test("resolveUser() knows every form", async () => {
  using rootfs = makeRootfs(ACCOUNTS);
  const find = (user: string) => resolveUser(rootfs.path, user);
  assertEquals(await find(""), { uid: 0, gid: 0, additionalGids: [0, 10] });
  assertEquals(await find("web:wheel"), {
    uid: 33,
    gid: 10,
    additionalGids: [10, 50],
  });
  assertEquals(await find("33"), {
    uid: 33,
    gid: 34,
    additionalGids: [34, 50],
  });
  assertEquals(await find("1234"), { uid: 1234, gid: 0, additionalGids: [0] });
  assertEquals(await find("1234:www"), {
    uid: 1234,
    gid: 34,
    additionalGids: [34],
  });
  assertEquals(await find(":www"), {
    uid: 0,
    gid: 34,
    additionalGids: [34, 10],
  });
  await assertRejects(() => find("2147483648"), RangeError);
  await assertRejects(() => find("big"), RangeError);
  await assertRejects(() => find("web:nope"), Deno.errors.NotFound, "group");
});

Deno.test("resolveUser() never leaves the root filesystem", async () => {
  using outside = makeRootfs({ "etc/passwd": "evil:x:666:666::/:\n" });
  using rootfs = makeRootfs();
  Deno.symlinkSync(`${outside.path}/etc/passwd`, `${rootfs.path}/etc/passwd`);
  await assertRejects(
    () => resolveUser(rootfs.path, "evil"),
    Deno.errors.NotFound,
  );
  Deno.removeSync(`${rootfs.path}/etc/passwd`);
  // Absolute links that stay inside are followed, as in NixOS.
  Deno.mkdirSync(`${rootfs.path}/static`);
  Deno.writeTextFileSync(`${rootfs.path}/static/passwd`, "in:x:5:6::/:\n");
  Deno.symlinkSync("/static/passwd", `${rootfs.path}/etc/passwd`);
  assertEquals((await resolveUser(rootfs.path, "in")).uid, 5);
});

Deno.test("resolveUser() refuses files that are none, or endless", async () => {
  using rootfs = makeRootfs();
  await new Deno.Command("mkfifo", { args: [`${rootfs.path}/etc/passwd`] })
    .output();
  await assertRejects(
    () => resolveUser(rootfs.path, "a"),
    Deno.errors.InvalidData,
    "no regular file",
  );
  Deno.removeSync(`${rootfs.path}/etc/passwd`);
  Deno.writeTextFileSync(
    `${rootfs.path}/etc/passwd`,
    "#".repeat((1 << 20) + 1),
  );
  await assertRejects(
    () => resolveUser(rootfs.path, "a"),
    Deno.errors.InvalidData,
    "1048577 bytes",
  );
  await assertRejects(
    () => resolveUser(`${rootfs.path}/none`, "a"),
    SyscallError,
    `Cannot look up users in the root filesystem "${rootfs.path}/none": openat failed with ENOENT`,
  );
});

rootTest("resolveUser() opens no device of the host", async () => {
  using rootfs = makeRootfs();
  // Of no driver: it cannot be opened.
  mknodAt(undefined, `${rootfs.path}/etc/passwd`, {
    mode: FileType.CHAR | 0o600,
    major: 59,
    minor: 1,
  });
  await assertRejects(
    () => resolveUser(rootfs.path, "a"),
    Deno.errors.InvalidData,
    "no regular file",
  );
});

Deno.test("defaultSeccomp() opens calls by capability, kernel and architecture", () => {
  const options = { architecture: "amd64", kernel: "6.1.0", capabilities: [] };
  const names = (filter = defaultSeccomp(options)) =>
    new Set(
      filter.syscalls?.flatMap(({ names, action }) =>
        action === "SCMP_ACT_ALLOW" ? names : []
      ),
    );
  assertEquals(names().has("mount"), false);
  assertEquals(names().has("ptrace"), true);
  assertEquals(
    names(defaultSeccomp({ ...options, kernel: "4.4.0" })).has("ptrace"),
    false,
  );
  const admin = defaultSeccomp({ ...options, capabilities: ["CAP_SYS_ADMIN"] });
  assertEquals(names(admin).has("mount"), true);
  // Without the capability clone3 must fail with ENOSYS, so that libc falls back.
  const clone3 = defaultSeccomp(options).syscalls?.find(({ names }) =>
    names.includes("clone3")
  );
  assertEquals([clone3?.action, clone3?.errnoRet], ["SCMP_ACT_ERRNO", 38]);
  assertEquals(defaultSeccomp(options).architectures?.length, 3);
  assertEquals(defaultSeccomp({ ...options, nativeOnly: true }).architectures, [
    "SCMP_ARCH_X86_64",
  ]);
  assertEquals(
    names(defaultSeccomp({ ...options, architecture: "arm64" })).has(
      "cacheflush",
    ),
    true,
  );
});

Deno.test("createSpec() takes of a filter as Docker has it the rules for the machine and the capabilities", async () => {
  const rule = (name: string, conditions: object) => ({
    names: [name],
    action: "SCMP_ACT_ALLOW",
    comment: "why",
    ...conditions,
  });
  const profile = JSON.parse(JSON.stringify({
    defaultAction: "SCMP_ACT_ERRNO",
    archMap: [
      { architecture: "SCMP_ARCH_S390X", subArchitectures: null },
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: [] },
    ],
    syscalls: [
      { name: "read", action: "SCMP_ACT_ALLOW" },
      rule("write", { includes: {}, excludes: null }),
      rule("mount", { includes: { caps: ["CAP_SYS_ADMIN"] } }),
      rule("both", { includes: { caps: ["CAP_CHOWN", "CAP_SYS_ADMIN"] } }),
      rule("chown", { includes: { caps: ["CAP_CHOWN"] } }),
      rule("clone", { excludes: { caps: ["CAP_SYS_ADMIN"] } }),
      rule("clone2", { excludes: { caps: ["CAP_SYS_ADMIN", "CAP_CHOWN"] } }),
      rule("s390", { includes: { arches: ["s390x"] } }),
      rule("here", { includes: { arches: ["amd64", "arm64"] } }),
      rule("not_here", { excludes: { arches: ["amd64", "arm64"] } }),
      rule("old", { includes: { minKernel: "2.6" } }),
      rule("future", { includes: { minKernel: "999.0" } }),
      rule("past", { excludes: { minKernel: "2.6" } }),
    ],
  }));
  const { linux } = await spec({ seccomp: profile });
  const { syscalls = [], architectures } = linux!.seccomp!;
  assertEquals(syscalls.map(({ names }) => names.join()), [
    "read",
    "write",
    "chown",
    "clone",
    "here",
    "old",
  ]);
  assertEquals(syscalls[2], { names: ["chown"], action: "SCMP_ACT_ALLOW" });
  assertEquals(
    architectures,
    Deno.build.arch === "x86_64"
      ? ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
      : ["SCMP_ARCH_AARCH64"],
  );
  await assertRejects(
    () => spec({ seccomp: { ...profile, architectures: ["SCMP_ARCH_X86"] } }),
    TypeError,
    "both",
  );
  await assertRejects(
    () => spec({ linux: { seccomp: profile } }),
    SpecError,
    "linux.seccomp.syscalls[1]",
  );
});

Deno.test("validateSpec() names the field that breaks a rule", () => {
  const base: Spec = {
    ociVersion: "1.2.0",
    root: { path: "/r" },
    process: { user: { uid: 0, gid: 0 }, args: ["a"], cwd: "/" },
  };
  validateSpec(base);
  const bad: readonly (readonly [string, Partial<Spec>])[] = [
    ["ociVersion", { ociVersion: "2.0.0" }],
    ["root.path", { root: { path: "" } }],
    ["process.args", { process: { ...base.process!, args: [] } }],
    ["process.args[0]", { process: { ...base.process!, args: ["a\0b"] } }],
    ["process.env[0]", { process: { ...base.process!, env: ["novalue"] } }],
    ["process.user.uid", {
      process: { ...base.process!, user: { uid: -1, gid: 0 } },
    }],
    ["process.rlimits[0]", {
      process: {
        ...base.process!,
        rlimits: [{ type: "RLIMIT_CORE", soft: 2, hard: 1 }],
      },
    }],
    ["process.rlimits[0]", {
      process: {
        ...base.process!,
        rlimits: [{ type: "RLIMIT_CORE", soft: -1, hard: -1 }],
      },
    }],
    ["process.oomScoreAdj", {
      process: { ...base.process!, oomScoreAdj: 2000 },
    }],
    ["mounts[0].destination", { mounts: [{ destination: "x" }] }],
    ["mounts[0].source", {
      mounts: [{ destination: "/x", options: ["rbind"] }],
    }],
    ["hooks.poststop[0].path", { hooks: { poststop: [{ path: "x" }] } }],
    ["hooks.prestart[0].timeout", {
      hooks: { prestart: [{ path: "/x", timeout: 0 }] },
    }],
    ["process.user.umask", {
      process: { ...base.process!, user: { uid: 0, gid: 0, umask: NaN } },
    }],
    ["hostname", { hostname: "h" }],
    ...["h\0", "h".repeat(65), "ü".repeat(33)].map((
      hostname,
    ): [string, Partial<Spec>] => [
      "hostname",
      { hostname, linux: { namespaces: [{ type: "uts" }] } },
    ]),
    ["domainname", {
      domainname: "d".repeat(65),
      linux: { namespaces: [{ type: "uts" }] },
    }],
    ["linux.namespaces[1]", {
      linux: { namespaces: [{ type: "pid" }, { type: "pid" }] },
    }],
    ["linux.namespaces[0].path", {
      linux: { namespaces: [{ type: "pid", path: "x" }] },
    }],
    ["linux.timeOffsets", {
      linux: { timeOffsets: { boottime: { secs: 1 } } },
    }],
    ["linux.netDevices", { linux: { netDevices: { eth0: {} } } }],
    ["linux.uidMappings", {
      linux: { uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] },
    }],
    ["linux.maskedPaths", { linux: { maskedPaths: ["x"] } }],
    ["linux.resources.memory.swap", {
      linux: { resources: { memory: { limit: 2, swap: 1 } } },
    }],
    ...[NaN, Infinity, 1.5].map((limit): [string, Partial<Spec>] => [
      "linux.resources.memory.limit",
      { linux: { resources: { memory: { limit } } } },
    ]),
    ["linux.resources.blockIO.throttleReadBpsDevice[0].rate", {
      linux: {
        resources: {
          blockIO: {
            throttleReadBpsDevice: [{ major: 1, minor: 1, rate: 0.5 }],
          },
        },
      },
    }],
  ];
  for (const [field, part] of bad) {
    const error = assertThrows(
      () => validateSpec({ ...base, ...part }),
      SpecError,
    );
    assertEquals(error.field, field);
  }
});
