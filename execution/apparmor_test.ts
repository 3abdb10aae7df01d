import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
  testIf,
} from "@containerkit/tests";
import { isActive } from "./_apparmor.ts";
import { readHost } from "./_read_host.ts";
import {
  createSpec,
  defaultApparmor,
  isApparmorLoaded,
  loadApparmor,
  run,
  RuntimeError,
} from "./mod.ts";

testIf(
  need("apparmor_parser"),
  "defaultApparmor() is what apparmor_parser compiles",
  async () => {
    await loadApparmor(defaultApparmor(), { dryRun: true });
    await loadApparmor(defaultApparmor("web-1.2"), { dryRun: true });
    await assertRejects(
      () => loadApparmor("profile {", { dryRun: true }),
      Deno.errors.InvalidData,
      "syntax error",
    );
  },
);

Deno.test("defaultApparmor() denies the kernel's sockets for cryptography, by whatever call", () => {
  assertStringIncludes(defaultApparmor(), "deny network alg,");
});

Deno.test("defaultApparmor() refuses names that would be more than a name", () => {
  for (const name of ["", "a b", "a {", "-x", "a\n"]) {
    assertThrows(() => defaultApparmor(name), TypeError, "profile of the name");
  }
});

Deno.test("loadApparmor() says that its parser is missing", async () => {
  await assertRejects(
    () =>
      loadApparmor(defaultApparmor(), {
        command: "/nowhere/apparmor_parser",
        dryRun: true,
      }),
    Deno.errors.NotSupported,
    "is not installed",
  );
});

for (const command of ["runc", "crun"]) {
  rootTest(
    `a container is confined by defaultApparmor(): ${command}`,
    async () => {
      using temp = tempDir();
      const rootfs = `${temp.path}/rootfs`;
      Deno.mkdirSync(rootfs);
      makeBusyboxRootfs(rootfs);
      const state = `${temp.path}/state`;
      const name = `ckit-test-${command}`;
      const spec = await createSpec({}, {
        rootfs,
        args: ["sleep", "1000"],
        namespaces: { network: "host" },
        apparmorProfile: name,
        privileged: true,
      });
      const options = { state, runtime: { command } };
      const error = await assertRejects(
        () => run("a", spec, options),
        RuntimeError,
        name,
      );
      assertEquals(error.code, "NotSupported");
      await loadApparmor(defaultApparmor(name));
      // A profile of that name is replaced.
      await loadApparmor(defaultApparmor(name));
      assertEquals(isApparmorLoaded(name), true);
      await using container = await run("a", spec, options);
      const words = async (script: string) => {
        await using child = await container.exec(["sh", "-c", script], {
          stdout: "piped",
          stderr: "piped",
        });
        const [text, errors] = await Promise.all([
          new Response(child.stdout).text(),
          new Response(child.stderr).text(),
        ]);
        const { code } = await child.status;
        return `${code} ${text}${errors}`.trim();
      };
      assertEquals(
        await words("cat /proc/1/attr/current /proc/self/attr/current"),
        `0 ${name} (enforce)\n${name} (enforce)`,
      );
      // It has all capabilities, and nothing is masked: the profile alone stands in the way.
      for (
        const script of [
          "mkdir /m; mount -t tmpfs none /m",
          "echo h >/proc/sysrq-trigger",
          "echo 1 >/proc/sys/vm/drop_caches",
          "cat /proc/kcore >/dev/null",
        ]
      ) {
        assertMatch(await words(script), /^[1-9].*Permission denied/s, script);
      }
      assertEquals(await words("mkdir /d; umount /dev/mqueue; kill -0 1"), "0");
      container.kill("KILL");
      assertEquals((await container.status).signal, "SIGKILL");
    },
    need(command, "busybox", "apparmor_parser") ??
      (isActive(readHost) ? undefined : "AppArmor is not active here"),
  );
}

testIf(
  isActive(readHost) ? "AppArmor is active here" : undefined,
  "loadApparmor() says that AppArmor is not active",
  async () => {
    await assertRejects(
      () => loadApparmor(defaultApparmor()),
      Deno.errors.NotSupported,
      "not active",
    );
    assertEquals(isApparmorLoaded("containerkit-default"), false);
  },
);
