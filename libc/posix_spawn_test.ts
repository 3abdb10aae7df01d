import {
  assertEquals,
  assertFalse,
  assertMatch,
  assertThrows,
} from "@std/assert";
import { rootTest, tempDir } from "@containerkit/tests";
import {
  library,
  openAt,
  OpenFlag,
  pipe,
  posixSpawn,
  type PosixSpawnOptions,
  read,
  SyscallError,
  waitId,
  waitReadable,
} from "./mod.ts";

const RLIMIT_NOFILE = 7;
const SIGQUIT = 3;
const SIG_IGN = 1n;

/** What a shell script writes, and how it ends. */
async function script(
  text: string,
  options: Partial<PosixSpawnOptions> = {},
): Promise<{ output: string; status: number | undefined; pid: number }> {
  const [reader, writer] = pipe();
  using from = reader;
  let process;
  {
    using to = writer;
    process = posixSpawn("/bin/sh", ["-c", text], {
      stdio: ["ignore", to.number, "ignore"],
      env: {},
      ...options,
      ...options.stdio === undefined
        ? {}
        : { stdio: ["ignore", to.number, ...options.stdio] },
    });
  }
  const { pid, pidfd } = process;
  using _ = pidfd;
  await waitReadable(pidfd);
  const status = waitId(pidfd)?.status;
  const bytes = new Uint8Array(4096);
  const output = new TextDecoder().decode(
    bytes.subarray(0, read(from, bytes)),
  );
  return { output, status, pid };
}

rootTest(
  "posixSpawn() gives a program its arguments, environment and folder",
  async () => {
    await using temp = tempDir();
    const { output, status } = await script(
      'echo "$WORD $0 $(pwd) ü"; exit 9',
      { env: { WORD: "wörd" }, cwd: temp.path },
    );
    assertEquals(output, `wörd /bin/sh ${temp.path} ü\n`);
    assertEquals(status, 9);
  },
);

rootTest("posixSpawn() looks for a program in PATH", async () => {
  const { pidfd } = posixSpawn("true", [], { stdio: [], env: {} });
  using _ = pidfd;
  await waitReadable(pidfd);
  assertEquals(waitId(pidfd)?.status, 0);
});

rootTest(
  "posixSpawn() gives no descriptor but those that it was told",
  async () => {
    await using temp = tempDir();
    const path = `${temp.path}/file`;
    using _other = openAt(undefined, path, {
      flags: OpenFlag.CREAT | OpenFlag.RDWR,
    });
    const { output } = await script("readlink /proc/$$/fd/*");
    // Further ones are how the shell reads the folder.
    const files = output.trim().split("\n").slice(0, 3);
    assertEquals(files[0], "/dev/null");
    assertMatch(files[1]!, /^pipe:/);
    assertEquals(files[2], "/dev/null");
    assertFalse(output.includes(temp.path), output);
  },
);

rootTest(
  "posixSpawn() puts descriptors where they belong whatever their numbers are",
  async () => {
    await using temp = tempDir();
    const files = Array.from({ length: 4 }, (_, index) => {
      const path = `${temp.path}/${index}`;
      Deno.writeTextFileSync(path, `${index}`);
      return openAt(undefined, path, { flags: OpenFlag.RDONLY });
    });
    // 2 is open in every program; as the last one it must not have been replaced by then.
    const numbers = [...files.map(({ number }) => number), 2];
    const { output } = await script(
      "for fd in 2 3 4 5; do readlink /proc/$$/fd/$fd; done; readlink /proc/$$/fd/6",
      { stdio: numbers },
    );
    const mine = Deno.readLinkSync("/proc/self/fd/2");
    for (const file of files) file.close();
    assertEquals(
      output.trim().split("\n"),
      [...files.keys()].map((index) => `${temp.path}/${index}`).concat(mine),
    );
  },
);

rootTest("posixSpawn() starts with no signal ignored or blocked", async () => {
  using symbols = library({
    // sighandler_t signal(int signum, sighandler_t handler)
    signal: { parameters: ["i32", "u64"], result: "u64" },
  });
  const before = symbols().signal(SIGQUIT, SIG_IGN);
  using stack = new DisposableStack();
  stack.defer(() => void symbols().signal(SIGQUIT, before));
  // A shell that waits for another program blocks signals meanwhile.
  const { output } = await script(
    "exec grep -E '^Sig(Ign|Blk)' /proc/self/status",
  );
  const sets = [...output.matchAll(/:\s*(\w+)/g)]
    .map(([, set]) => BigInt(`0x${set}`));
  // Above are real-time signals, of which glibc keeps two for itself.
  assertEquals(sets.map((set) => set & 0x7fff_ffffn), [0n, 0n]);
});

rootTest("posixSpawn() makes a session only when asked to", async () => {
  const session = "cut -d ' ' -f 6 /proc/$$/stat";
  const [mine] = (await script(session)).output.split("\n");
  const { output, pid } = await script(session, { newSession: true });
  assertEquals(Number(output), pid);
  assertEquals(Number(mine) === pid, false);
});

rootTest("posixSpawn() says that there is no such program or folder", () => {
  const options = { stdio: [], env: {} };
  const calls = [
    () => posixSpawn("/no/such", [], options),
    () => posixSpawn("no-such-program-anywhere", [], options),
    () => posixSpawn("/bin/true", [], { ...options, cwd: "/no/such" }),
  ];
  for (const call of calls) {
    const error = assertThrows(call, SyscallError);
    assertEquals(error.code, "ENOENT");
  }
  assertThrows(() => posixSpawn("/bin/true", ["a\0b"], options), TypeError);
});

rootTest("posixSpawn() ends the program that no descriptor is left for", () => {
  using symbols = library({
    // int prlimit64(pid_t pid, int resource, const struct rlimit64 *new, struct rlimit64 *old)
    prlimit64: {
      parameters: ["i32", "i32", "buffer", "buffer"],
      result: "i32",
    },
  });
  const { prlimit64 } = symbols();
  const before = new BigUint64Array(2);
  prlimit64(0, RLIMIT_NOFILE, null, before);
  const next = openAt(undefined, "/");
  const { number } = next;
  next.close();
  try {
    const none = BigUint64Array.of(BigInt(number), before[1]!);
    prlimit64(0, RLIMIT_NOFILE, none, null);
    const error = assertThrows(
      () => posixSpawn("sleep", ["1000"], { stdio: [], env: {} }),
      SyscallError,
    );
    assertEquals(error.code, "EMFILE");
  } finally {
    prlimit64(0, RLIMIT_NOFILE, before, null);
  }
});
