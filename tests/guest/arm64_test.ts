// The calls of libc on aarch64: the very tests of the package by Deno for that architecture, whose calls qemu translates.
import { assert, assertEquals } from "@std/assert";
import { testIf } from "../test_if.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const ARM64 = `${ROOT}.cache/arm64`;

/** What only the emulation fails: it starts no program of its own kind, and drops descriptors beyond a buffer. */
const EXPECTED = [
  "library() never opens a file of the working directory",
  "library() says which permission is missing, importing needs none",
  "library() works under an ffi permission that names the file",
  "receiveMessage() closes all descriptors when there are too many",
  "waitReadable() lets the program end when nobody waits",
];

function missing(): string | undefined {
  if (Deno.env.get("CONTAINERKIT_GUEST") === undefined) return "guest";
  try {
    Deno.statSync(`${ARM64}/deno`);
    return undefined;
  } catch {
    return "program missing: Deno for aarch64";
  }
}

testIf(missing(), "libc/, on aarch64", async () => {
  const folder = await Deno.makeTempDir();
  const { stdout, stderr } = await new Deno.Command("nice", {
    args: [
      "-n",
      "15",
      `${ARM64}/qemu`,
      "-L",
      `${ARM64}/root`,
      `${ARM64}/deno`,
      "test",
      "-A",
      "--no-check",
      "--no-prompt",
      "--quiet",
      `--preload=${ROOT}tests/preload.ts`,
      // The emulator shows threads and signals of its own.
      `--ignore=${ROOT}libc/interrupted_test.ts,${ROOT}libc/interrupted_file_test.ts`,
      `${ROOT}libc`,
    ],
    cwd: ROOT,
    env: {
      CONTAINERKIT_SKIPS: "/dev/null",
      DENO_DIR: folder,
      NO_COLOR: "1",
    },
    stdin: "null",
  }).output();
  await Deno.remove(folder, { recursive: true });
  const output = new TextDecoder().decode(stdout);
  const failed = [...output.matchAll(/^(.+) => \.\/libc\/\S+$/gm)]
    .map(([, name]) => name!);
  const passed = Number(/(\d+) passed/.exec(output)?.[1]);
  assert(passed >= 50, output + new TextDecoder().decode(stderr));
  assertEquals([...new Set(failed)].sort(), EXPECTED, output);
});
