import { assert, assertEquals } from "@std/assert";
import { rootTest } from "../tests/mod.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** Everything, and for the other error what looks at errors. */
const FILES = {
  EPERM: [
    "attach_test.ts",
    "bad_input_test.ts",
    "by_call_test.ts",
    "features_test.ts",
    "image_test.ts",
    "leak_test.ts",
    "mount_test.ts",
    "storage_test.ts",
  ],
  ENOSYS: ["bad_input_test.ts", "by_call_test.ts", "features_test.ts"],
} as const;

for (const [code, files] of Object.entries(FILES)) {
  rootTest(
    `mounts go by mount(2) where a filter refuses the newer calls with ${code}`,
    async () => {
      const { success, stdout, stderr } = await new Deno.Command(
        Deno.execPath(),
        {
          args: [
            "test",
            "-A",
            "--no-check",
            "--no-prompt",
            "--quiet",
            `--preload=${ROOT}tests/refuse_mount_calls.ts`,
            ...files.map((name) => `${ROOT}mount/${name}`),
          ],
          cwd: ROOT,
          env: {
            CONTAINERKIT_REFUSE: code,
            CONTAINERKIT_SKIPS: "/dev/null",
            NO_COLOR: "1",
          },
          stdin: "null",
        },
      ).output();
      const output = new TextDecoder().decode(stdout);
      assert(success, output + new TextDecoder().decode(stderr));
      const count = (what: string) =>
        Number(new RegExp(`(\\d+) ${what}`).exec(output)?.[1] ?? 0);
      assert(count("passed") >= files.length * 2, output);
      // Mounts that are attached nowhere, and mapped ids.
      assert(count("ignored") <= 20, output);
      assertEquals(count("failed"), 0);
    },
  );
}
