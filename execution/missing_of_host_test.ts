import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { tempDir } from "@containerkit/tests";
import { cgroupPathOf } from "./_cgroup_path_of.ts";
import { missingOfHost } from "./_missing_of_host.ts";
import { create, createSpec, RuntimeError, SpecError } from "./mod.ts";

const PROFILES = "/sys/kernel/security/apparmor/profiles";
const ENABLED = "/sys/module/apparmor/parameters/enabled";

/** A machine with these files. */
const host = (files: Readonly<Record<string, string>>) => (path: string) =>
  files[path];

const make = (
  options: {
    apparmorProfile?: string;
    selinuxLabel?: string;
    mountLabel?: string;
  } = {},
) => createSpec({}, { rootfs: "/", args: ["true"], ...options });

Deno.test("missingOfHost() tells what a machine lacks", async () => {
  const apparmor = await make({ apparmorProfile: "web" });
  const cases = [
    [{}, await make(), {}, undefined],
    [
      { systemdCgroup: true },
      await make(),
      {},
      'systemd does not run here, which "systemdCgroup" needs',
    ],
    [
      { systemdCgroup: true },
      await make(),
      { "/run/systemd/system": "" },
      undefined,
    ],
    [
      {},
      apparmor,
      {},
      'AppArmor is not active here, which "process.apparmorProfile" ("web") needs',
    ],
    [{}, apparmor, { [ENABLED]: "N\n" }, "AppArmor is not active here"],
    [{}, apparmor, { [ENABLED]: "Y\n" }, undefined],
    [
      {},
      apparmor,
      { [ENABLED]: "Y\n", [PROFILES]: "webber (enforce)\n" },
      '"process.apparmorProfile" ("web") is not loaded',
    ],
    [
      {},
      apparmor,
      { [ENABLED]: "Y\n", [PROFILES]: "a (enforce)\nweb (complain)\n" },
      undefined,
    ],
    [{}, await make({ apparmorProfile: "unconfined" }), {}, undefined],
    [
      {},
      await make({ selinuxLabel: "system_u:system_r:container_t:s0" }),
      {},
      'SELinux is not active here, which "process.selinuxLabel" needs',
    ],
    [
      {},
      await make({ mountLabel: "system_u:object_r:container_file_t:s0" }),
      {},
      'SELinux is not active here, which "linux.mountLabel" needs',
    ],
    [
      {},
      await make({ mountLabel: "system_u:object_r:container_file_t:s0" }),
      { "/sys/fs/selinux/enforce": "0" },
      undefined,
    ],
  ] as const;
  for (const [runtime, spec, files, expected] of cases) {
    const found = missingOfHost(runtime, spec, host({ ...files }));
    if (expected === undefined) assertEquals(found, undefined);
    else assertEquals(found?.startsWith(expected), true, found);
  }
});

Deno.test("create() says what the machine lacks, before anything is begun", async () => {
  using temp = tempDir();
  const options = { state: `${temp.path}/state` };
  const systemd = { ...options, runtime: { systemdCgroup: true } };
  for (
    const [spec, more] of [
      [await make(), systemd],
      [await make({ apparmorProfile: "no-such-profile" }), options],
    ] as const
  ) {
    const missing = missingOfHost(
      { systemdCgroup: more === systemd },
      spec,
    );
    // On a machine that has it, the table above is all there is to see.
    if (missing === undefined) continue;
    const error = await assertRejects(
      async () => await create("a", spec, more),
      RuntimeError,
      `Cannot create container "a": ${missing}`,
    );
    assertEquals(error.code, "NotSupported");
    assertThrows(() => Deno.lstatSync(options.state), Deno.errors.NotFound);
  }
});

Deno.test("cgroupPathOf() gives each container a place, with systemd the name of a unit", async () => {
  const spec = await make();
  const at = (
    state: string,
    id: string,
    systemdCgroup = false,
    given = spec,
  ) => cgroupPathOf(given, { runtime: { systemdCgroup }, state, id });
  assertEquals(/^\/containerkit-a\+b-[0-9a-f]{8}$/.test(at("/s", "a+b")), true);
  assertEquals(at("/s", "a") === at("/t", "a"), false);
  assertEquals(
    /^:containerkit:a_b-[0-9a-f]{8}$/.test(at("/s", "a+b", true)),
    true,
  );
  assertEquals(at("/s", "a+b", true) === at("/s", "a_b", true), false);
  const own = (cgroupsPath: string) => ({ ...spec, linux: { cgroupsPath } });
  assertEquals(at("/s", "a", true, own("pods.slice:x:a")), "pods.slice:x:a");
  assertEquals(at("/s", "a", false, own("/pods/a")), "/pods/a");
  for (const path of ["/pods/a", "a", "a:b:", "a:b:c:d"]) {
    const error = assertThrows(
      () => at("/s", "a", true, own(path)),
      SpecError,
      "expected slice:prefix:name",
    );
    assertEquals(error.field, "linux.cgroupsPath");
  }
  for (
    const path of [
      "",
      "/",
      "a",
      "a/b",
      "/a/",
      "//a",
      "/a//b",
      "/.",
      "/../a",
      "/a/..",
    ]
  ) {
    const error = assertThrows(
      () => at("/s", "a", false, own(path)),
      SpecError,
      "expected a path such as",
    );
    assertEquals(error.field, "linux.cgroupsPath");
  }
  assertEquals(at("/s", "a", false, own("/..a/.b/c.")), "/..a/.b/c.");
});
