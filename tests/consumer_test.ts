import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { digestBytes } from "@containerkit/oci";
import { startJsrRegistry } from "./jsr_registry.ts";
import { runProgram } from "./run_program.ts";
import { tempDir } from "./temp_dir.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** Published in the order of their dependencies, the collection last. */
const MEMBERS = [
  "libc",
  "oci",
  "tar",
  "state",
  "mount",
  "content",
  "snapshot",
  "distribution",
  "network",
  "volume",
  "execution",
  ".",
];

async function deno(
  args: readonly string[],
  options: { cwd: string; env: Record<string, string> },
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "null",
    ...options,
  }).output();
  const text = new TextDecoder().decode(stdout) +
    new TextDecoder().decode(stderr);
  assert(success, `deno ${args.join(" ")}:\n${text}`);
  return text;
}

function exportsOf(member: string): string[] {
  const { name, exports } = JSON.parse(
    Deno.readTextFileSync(`${ROOT}${member}/deno.json`),
  );
  const keys = typeof exports === "string" ? ["."] : Object.keys(exports);
  return keys.map((key: string) => `jsr:${name}@^0.1.0${key.slice(1)}`);
}

function packageOf(member: string): string {
  return member === "." ? "containerkit" : member;
}

Deno.test("every package works from a registry, outside the workspace", async (t) => {
  await using temp = tempDir();
  await using registry = startJsrRegistry(`${temp.path}/registry`);
  const env = {
    JSR_URL: registry.url,
    DENO_DIR: `${temp.path}/cache`,
    NO_COLOR: "1",
  };
  const project = `${temp.path}/project`;
  await Deno.mkdir(project);

  await t.step("deno publish takes each", async () => {
    for (const member of MEMBERS) {
      await deno([
        "publish",
        "--token=none",
        "--allow-dirty",
        "--no-provenance",
        "--no-check",
      ], { cwd: `${ROOT}${member}`, env });
    }
    assertEquals(registry.published.length, MEMBERS.length);
  });

  const specifiers = MEMBERS.flatMap(exportsOf);
  await Deno.writeTextFile(`${project}/deno.json`, '{ "lock": false }\n');
  await Deno.writeTextFile(
    `${project}/main.ts`,
    [
      ...specifiers.map((specifier, index) =>
        `import * as m${index} from "${specifier}";`
      ),
      `const all: Record<string, object> = { ${
        specifiers.map((specifier, index) => `"${specifier}": m${index}`)
          .join(", ")
      } };`,
      "for (const [name, module] of Object.entries(all)) console.log(name, Object.keys(module).length);",
      'console.log(m0.errnoName(2), "done");',
    ].join("\n"),
  );

  await t.step("a project that imports every export type-checks", async () => {
    await deno(["check", "main.ts"], { cwd: project, env });
  });

  await t.step("and runs: importing needs no permission", async () => {
    const text = await deno(["run", "--no-prompt", "main.ts"], {
      cwd: project,
      env,
    });
    assertStringIncludes(text, "ENOENT done");
  });

  await t.step(
    "the thread that hashes starts from a package of a registry",
    async () => {
      await Deno.writeTextFile(
        `${project}/hash.ts`,
        `import { openStore } from "jsr:@containerkit/content@^0.1.0";
      using store = await openStore({ root: Deno.cwd() + "/store" });
      const { digest } = await store.put(new Uint8Array(40 << 20));
      console.log(digest);`,
      );
      const text = await deno(["run", "-A", "hash.ts"], { cwd: project, env });
      assertStringIncludes(text, digestBytes(new Uint8Array(40 << 20)));
    },
  );

  const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
  await t.step({
    name: "a thread starts from a package of a registry",
    ignore: !isRoot,
    async fn() {
      await Deno.writeTextFile(
        `${project}/thread.ts`,
        `import { isMountPoint, open } from "jsr:@containerkit/mount@^0.1.0";
        await Deno.mkdir("place");
        using tree = await open({ type: "tmpfs" });
        await tree.attachIn(Deno.pid, Deno.cwd() + "/place");
        console.log("attached", isMountPoint("place"));`,
      );
      // In mounts of its own, which end with it.
      const text = await runProgram("unshare", [
        "--mount",
        "--propagation",
        "private",
        Deno.execPath(),
        "run",
        "-A",
        "thread.ts",
      ], { cwd: project, env });
      assertStringIncludes(text, "attached true");
    },
  });

  await t.step("deno compile embeds the whole graph", async () => {
    // Without the network there is no denort; the CLI in its place lets the embedding be checked.
    const text = await deno(["compile", "-A", "-o", "app", "main.ts"], {
      cwd: project,
      env: { ...env, DENORT_BIN: Deno.execPath() },
    });
    assertStringIncludes(text, "main.ts");
    for (const member of MEMBERS) {
      const path = `@containerkit/${packageOf(member)}/0.1.0/mod.ts`;
      // grep fails, and with it the test, if the program does not hold it.
      await runProgram("grep", ["-aqF", path, "app"], { cwd: project });
    }
    assert(Deno.statSync(`${project}/app`).size > 10_000_000);
  });
});
