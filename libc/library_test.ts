import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { channel } from "node:diagnostics_channel";
import {
  addressOf,
  Arena,
  errno,
  errnoName,
  library,
  type LibraryCall,
  openAt,
  OpenFlag,
  struct,
  SyscallError,
  type Trace,
  tracer,
} from "./mod.ts";

const MOD = new URL("./mod.ts", import.meta.url).href;

async function evaluate(
  script: string,
  flags: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, script);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-config", ...flags, file],
    stdin: "null",
  }).output();
  await Deno.remove(file);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

const ARCH = Deno.build.arch === "aarch64" ? "aarch64" : "x86_64";
const LIBC = `/lib/${ARCH}-linux-gnu/libc.so.6`;

Deno.test("library() works under an ffi permission that names the file", async () => {
  const { code, stdout, stderr } = await evaluate(
    `import { Arena, errno, openAt, receiveMessage, sendMessage, socketPair, SyscallError } from "${MOD}";
     for (let round = 0; round < 1000; round++) {
       try { openAt(undefined, round % 2 ? "/no/such" : "/etc/hostname/x"); }
       catch (error) {
         if (error.code !== (round % 2 ? "ENOENT" : "ENOTDIR")) throw new Error(\`wrong errno \${error.code}\`);
       }
     }
     const [a, b] = socketPair();
     sendMessage(a, new Uint8Array([5]), { fds: [a] });
     console.log(receiveMessage(b).fds.length, new Arena(128).addressOf(0) > 0n);`,
    [`--allow-ffi=${LIBC}`],
  );
  assertEquals([code, stdout], [0, "1 true\n"], stderr);
});

Deno.test("library() never opens a file of the working directory", async () => {
  const { code, stderr } = await evaluate(
    `import { openAt } from "${MOD}"; openAt(undefined, "/");`,
    ["--allow-ffi=libc.so.6"],
  );
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    `Cannot open libc: run again with --allow-ffi, or with --allow-ffi=`,
  );
});

Deno.test("library() says which permission is missing, importing needs none", async () => {
  const { code, stderr } = await evaluate(
    `import { openAt } from "${MOD}"; console.error("imported"); openAt(undefined, "/");`,
    [],
  );
  assertEquals(code, 1);
  assertStringIncludes(stderr, "imported");
  assertStringIncludes(stderr, "NotCapable: Cannot open libc");
});

Deno.test("library() says what is wrong with a libc that lacks a symbol", () => {
  using symbols = library({
    no_such_call: { parameters: [], result: "i32" },
  });
  assertThrows(() => symbols(), Deno.errors.NotSupported, "glibc");
});

Deno.test("errno() is right under garbage collection and background work", async () => {
  using symbols = library({
    close: { parameters: ["i32"], result: "i32" },
    chdir: { parameters: ["buffer"], result: "i32" },
  });
  const { close, chdir } = symbols();
  const long = Deno.env.get("CONTAINERKIT_LONG") !== undefined;
  const missing = new TextEncoder().encode("/no/such\0");
  const work = new AbortController();
  const background = (async () => {
    while (!work.signal.aborted) {
      await Promise.all([Deno.stat("/"), Deno.stat("/none").catch(() => {})]);
    }
  })();
  let wrong = 0;
  let garbage: unknown[] = [];
  for (let batch = 0; batch < (long ? 250 : 15); batch++) {
    for (let round = 0; round < 10_000; round++) {
      if ((close(-1) === -1 ? errno() : 0) !== 9) wrong++;
      if ((chdir(missing) === -1 ? errno() : 0) !== 2) wrong++;
      if (round % 10 === 0) garbage.push({ round, text: `${round}` });
      if (garbage.length > 5000) garbage = [];
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  work.abort();
  await background;
  assertEquals(wrong, 0);
});

Deno.test("errnoName() has every name of the kernel's headers", async () => {
  const text = (await Promise.all(
    ["errno-base.h", "errno.h"].map((name) =>
      Deno.readTextFile(`/usr/include/asm-generic/${name}`).catch(() => "")
    ),
  )).join("\n");
  for (const [, name, number] of text.matchAll(/#define\s+(E\w+)\s+(\d+)/g)) {
    assertEquals(errnoName(Number(number)), name);
  }
  assertEquals(errnoName(133), "EHWPOISON");
  assertEquals(errnoName(4000), "errno 4000");
});

Deno.test("the channel containerkit:libc tells every call, and errors stay right", () => {
  const calls: LibraryCall[] = [];
  const listener = (message: unknown) => {
    calls.push(message as LibraryCall);
    close(-1); // a listener may call libc itself
  };
  using symbols = library({ close: { parameters: ["i32"], result: "i32" } });
  const { close } = symbols();
  channel("containerkit:libc").subscribe(listener);
  try {
    const error = assertThrows(
      () => openAt(undefined, "/no/such"),
      SyscallError,
    );
    assertEquals(error.code, "ENOENT");
  } finally {
    channel("containerkit:libc").unsubscribe(listener);
  }
  openAt(undefined, "/").close();
  assertEquals(calls.map(({ name, result, errno }) => [name, result, errno]), [
    ["openat", -1, 2],
  ]);
  assert(calls[0]!.ms >= 0);
});

Deno.test("tracer() tells how it ended, also of promises, and calls details() only for listeners", async () => {
  const trace = tracer("containerkit:test");
  const fail = () => {
    throw new Error("details of nothing");
  };
  assertEquals(trace("quiet", fail, () => 1), 1);
  const seen: Trace[] = [];
  const listener = (message: unknown) => {
    seen.push(message as Trace);
  };
  channel("containerkit:test").subscribe(listener);
  assertEquals(trace("a", () => ({ b: 1 }), () => 2), 2);
  assertThrows(() =>
    trace("c", () => ({}), () => {
      throw new Error("no");
    })
  );
  assertEquals(await trace("d", () => ({}), () => Promise.resolve(3)), 3);
  channel("containerkit:test").unsubscribe(listener);
  assertEquals(seen.map(({ operation }) => operation), ["a", "c", "d"]);
  assertEquals(seen[0]?.details, { b: 1 });
  assertEquals((seen[1]?.error as Error).message, "no");
});

Deno.test("struct() lays out as C does and refuses what does not fit", () => {
  const mixed = struct({ a: "u8", b: "u32", c: "u16", d: "u64" }, 24);
  assertEquals(mixed.offsets, { a: 0, b: 4, c: 8, d: 16 });
  const values = { a: 255, b: 7, c: 65535, d: 2n ** 64n - 1n };
  assertEquals(mixed.decode(mixed.encode(values)), values);
  const signed = struct({ a: "i32", b: "i64", c: { bytes: 3 } }, 24);
  const bytes = signed.encode({
    a: -1,
    b: -5n,
    c: new Uint8Array([1, 2]),
  });
  assertEquals(signed.decode(bytes), {
    a: -1,
    b: -5n,
    c: new Uint8Array([1, 2, 0]),
  });
  assertThrows(() => struct({ a: "u32" }, 8), RangeError, "take 4 bytes");
  assertThrows(() => mixed.encode({ a: 256 }), RangeError, "256 is no u8");
  assertThrows(() => mixed.encode({ d: -1n }), RangeError, "is no u64");
  assertThrows(() => signed.encode({ c: new Uint8Array(4) }), RangeError);
  assertThrows(() => mixed.decode(new Uint8Array(23)), RangeError);
});

Deno.test("Arena hands out aligned, zeroed pieces and refuses more", () => {
  const arena = new Arena(128);
  assertEquals(arena.allocate(3), 0);
  const text = arena.string("abc");
  assertEquals([text, arena.bytes[text + 3]], [8, 0]);
  assertThrows(() => arena.allocate(200), RangeError, "112 of the arena");
  arena.reset();
  assertEquals(
    arena.bytes.subarray(arena.allocate(16), 16),
    new Uint8Array(16),
  );
  assertThrows(() => addressOf(new Uint8Array(8)), RangeError);
});

Deno.test("openAt() refuses to follow a link with NOFOLLOW", () => {
  const error = assertThrows(
    () => openAt(undefined, "/proc/self", OpenFlag.NOFOLLOW),
    SyscallError,
  );
  assertEquals(error.code, "ELOOP");
});
