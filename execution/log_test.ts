import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { relative } from "@std/path/posix/relative";
import { mount } from "@containerkit/mount";
import { need, rootTest, tempDir, until } from "@containerkit/tests";
import { makeBench } from "./_bench_test.ts";
import { LogWriter } from "./_log_writer.ts";
import {
  create,
  drainLog,
  type LogEntry,
  type LogFormat,
  readEvents,
  readLog,
  run,
} from "./mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function readAll(
  path: string,
  format: LogFormat,
  options: { tail?: number; follow?: Promise<unknown> } = {},
): Promise<string[]> {
  const all: string[] = [];
  for await (const { stream, text } of readLog({ path, format }, options)) {
    all.push(`${stream}:${decoder.decode(text)}`);
  }
  return all;
}

for (const format of ["json", "cri"] as const) {
  Deno.test(`readLog() gives back what was written as ${format}, lines and parts of them`, async () => {
    using temp = tempDir();
    const path = `${temp.path}/log`;
    {
      using log = new LogWriter({ path, format });
      log.write("stdout", encoder.encode("one\ntwo\npar"));
      log.write("stderr", encoder.encode("\n"));
      log.write("stdout", encoder.encode("t\nend"));
    }
    assertEquals(await readAll(path, format), [
      "stdout:one\n",
      "stdout:two\n",
      "stdout:par",
      "stderr:\n",
      "stdout:t\n",
      "stdout:end",
    ]);
    assertEquals(await readAll(path, format, { tail: 2 }), [
      "stderr:\n",
      "stdout:end",
    ]);
    assertEquals(await readAll(path, format, { tail: 3 }), [
      "stdout:par",
      "stdout:t\n",
      "stderr:\n",
      "stdout:end",
    ]);
    assertEquals(await readAll(path, format, { tail: 0 }), []);
  });
}

Deno.test("a character that comes in pieces is whole in a log of JSON", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  const euro = encoder.encode("€\n");
  {
    using log = new LogWriter({ path });
    for (const byte of euro) log.write("stdout", new Uint8Array([byte]));
    log.write("stderr", euro.subarray(0, 2));
    log.end("stderr");
  }
  assertEquals(
    (await readAll(path, "json")).join(""),
    "stdout:€stdout:\nstderr:\ufffd",
  );
});

Deno.test("a mark of the byte order is kept in a log of JSON", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  const bytes = encoder.encode("\ufeffone\n");
  {
    using log = new LogWriter({ path });
    log.write("stdout", bytes);
  }
  for await (const { text } of readLog({ path })) assertEquals(text, bytes);
});

Deno.test("a log is rotated at the end of a line, and read across its files", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  {
    using log = new LogWriter({
      path,
      format: "cri",
      maxSize: 200,
      maxFiles: 3,
    });
    for (let line = 0; line < 9; line++) {
      log.write("stdout", encoder.encode(`line ${line}\n`));
    }
  }
  const names = [...Deno.readDirSync(temp.path)].map(({ name }) => name).sort();
  assertEquals(names, ["log", "log.1", "log.2"]);
  for (const name of names) {
    assertEquals(Deno.statSync(`${temp.path}/${name}`).size <= 200, true);
  }
  const lines = await readAll(path, "cri");
  assertEquals(lines.at(-1), "stdout:line 8\n");
  const numbers = lines.map((line) => Number(line.match(/\d+/)?.[0]));
  assertEquals(numbers, numbers.map((_, at) => numbers[0]! + at));
});

Deno.test("LogWriter keeps every file where that is wanted, also by what a record says", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  const options = { path, maxSize: 1, maxFiles: Infinity };
  for (const line of ["0\n", "1\n", "2\n", "3\n"]) {
    using log = new LogWriter(JSON.parse(JSON.stringify(options)));
    log.write("stdout", encoder.encode(line));
    log.write("stderr", encoder.encode(line));
  }
  assertEquals([...Deno.readDirSync(temp.path)].length, 8);
  assertEquals(
    (await readAll(path, "json")).join("").replaceAll(/\D/g, ""),
    "00112233",
  );
});

Deno.test("readLog() follows across a rotation until told that it is over", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  using log = new LogWriter({ path, maxSize: 150 });
  log.write("stdout", encoder.encode("0\n"));
  const over = Promise.withResolvers<void>();
  const seen: LogEntry[] = [];
  for await (const entry of readLog({ path }, { follow: over.promise })) {
    seen.push(entry);
    if (seen.length < 8) {
      log.write("stdout", encoder.encode(`${seen.length}\n`));
    } else over.resolve();
  }
  assertEquals(
    seen.map(({ text }) => decoder.decode(text)).join(""),
    "0\n1\n2\n3\n4\n5\n6\n7\n",
  );
});

Deno.test("readLog() ends with its signal in the midst of what is there", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  Deno.writeTextFileSync(path, "0\n1\n2\n");
  for (const options of [{}, { tail: 3 }, { follow: Promise.resolve() }]) {
    const stop = new AbortController();
    const { signal } = stop;
    const entries = readLog({ path, format: "raw" }, { ...options, signal });
    assertEquals(decoder.decode((await entries.next()).value?.text), "0\n");
    stop.abort(new RangeError("enough"));
    await assertRejects(() => entries.next(), RangeError, "enough");
  }
});

Deno.test("readLog() follows a log of the working directory", async () => {
  using temp = tempDir();
  using restored = new DisposableStack();
  const before = Deno.cwd();
  restored.defer(() => Deno.chdir(before));
  Deno.chdir(temp.path);
  using log = new LogWriter({ path: "log" });
  log.write("stdout", encoder.encode("one\n"));
  assertEquals(
    await readAll("log", "json", { follow: Promise.resolve() }),
    ["stdout:one\n"],
  );
});

Deno.test("readLog() gives the last lines of a long log with all of their pieces, whatever they are", async () => {
  let seed = 1;
  const random = (below: number) => (seed = seed * 48271 % 0x7fffffff) % below;
  for (const format of ["json", "cri", "raw"] as const) {
    using temp = tempDir();
    const path = `${temp.path}/log`;
    {
      using log = new LogWriter({
        path,
        format,
        maxSize: 200_000,
        maxFiles: 9,
      });
      for (let at = 0; at < 6000; at++) {
        // The second stream says little, and ends its lines late.
        const isRare = random(400) === 0;
        const end = random(isRare ? 3 : 9) === 0 ? "" : "\n";
        const text = `${at} ${"x".repeat(random(90))}${end}`;
        log.write(isRare ? "stderr" : "stdout", encoder.encode(text));
      }
    }
    const lines: LogEntry[][] = [];
    const begun = new Map<LogEntry["stream"], LogEntry[]>();
    for await (const entry of readLog({ path, format })) {
      const line = begun.get(entry.stream) ?? [];
      if (line.length === 0) lines.push(line);
      line.push(entry);
      begun.set(entry.stream, entry.text.at(-1) === 10 ? [] : line);
    }
    for (const tail of [0, 1, 2, 3, 10, 100, 1000, 4000, lines.length, 9999]) {
      // Of what is raw, how lines are cut says nothing.
      const simple = (entries: readonly LogEntry[]) =>
        format !== "raw"
          ? entries
          : entries.map(({ text }) => decoder.decode(text)).join("");
      assertEquals(
        simple(await Array.fromAsync(readLog({ path, format }, { tail }))),
        simple(tail === 0 ? [] : lines.slice(-tail).flat()),
        `${format}, ${tail} lines`,
      );
    }
  }
});

Deno.test("readLog() reads the last lines of a log from its end", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  // Whoever reads from the beginning refuses this line.
  using file = Deno.openSync(path, { create: true, write: true });
  file.truncateSync(17 << 20);
  file.seekSync(0, Deno.SeekMode.End);
  const line = "2026-01-01T00:00:00Z stdout F line\n";
  file.writeSync(encoder.encode(`\n${line.repeat(20_000)}`));
  const log = { path, format: "cri" } as const;
  for (const tail of [1, 10_000]) {
    const entries = await Array.fromAsync(readLog(log, { tail }));
    assertEquals(entries.length, tail);
  }
});

Deno.test("a log refuses what cannot be", async () => {
  using temp = tempDir();
  for (const limits of [{ maxSize: 0 }, { maxSize: 0.5 }, { maxFiles: 0 }]) {
    assertThrows(
      () => new LogWriter({ path: `${temp.path}/a`, ...limits }),
      RangeError,
    );
  }
  assertThrows(
    () => new LogWriter(JSON.parse(`{"path":"${temp.path}/a","format":"x"}`)),
    TypeError,
    'not "x"',
  );
  assertThrows(
    () => new LogWriter({ path: `${temp.path}/none/a` }),
    Deno.errors.NotFound,
    `Cannot write the log "${temp.path}/none/a": No such file`,
  );
  await assertRejects(
    () => readAll(`${temp.path}/none`, "json"),
    Deno.errors.NotFound,
  );
  const log = JSON.parse(`{"path":"${temp.path}/a","format":"x"}`);
  await assertRejects(() => readLog(log).next(), TypeError, 'not "x"');
  Deno.writeTextFileSync(
    `${temp.path}/cut`,
    '{"log":"a\\n","stream":"stdout","time":"t"}\n{"log":"b',
  );
  assertEquals(await readAll(`${temp.path}/cut`, "json"), ["stdout:a\n"]);
});

Deno.test("LogWriter takes half a record of a crash away, and leaves none itself", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  const whole = '{"log":"a\\n","stream":"stdout","time":"t"}\n';
  Deno.writeTextFileSync(path, `${whole}{"log":"b${"b".repeat(70_000)}`);
  {
    using log = new LogWriter({ path });
    log.write("stderr", encoder.encode("c\n"));
  }
  assertEquals(await readAll(path, "json"), ["stdout:a\n", "stderr:c\n"]);
  Deno.writeTextFileSync(path, "no record at all");
  new LogWriter({ path })[Symbol.dispose]();
  assertEquals(Deno.readTextFileSync(path), "");
});

Deno.test("LogWriter rotates what is raw at a line, or where a line has no end", () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  const read = () =>
    [`${path}.2`, `${path}.1`, path].map((at) => Deno.readTextFileSync(at));
  using log = new LogWriter({ path, format: "raw", maxSize: 8, maxFiles: 3 });
  for (const piece of ["one\n", "two", "\nthree\nfour\n"]) {
    log.write("stdout", encoder.encode(piece));
  }
  assertEquals(read(), ["one\ntwo\n", "three\n", "four\n"]);
  log.write("stdout", encoder.encode("x".repeat(20)));
  log.write("stdout", encoder.encode("y"));
  assertEquals(read(), ["x".repeat(8), "x".repeat(8), "xxxxy"]);
});

Deno.test("LogWriter makes the same files of lines at once as one by one", () => {
  const text = Array.from(
    { length: 300 },
    (_, at) =>
      "ä".repeat(at * 7 % 40) + (at % 50 === 49 ? "x".repeat(500) : ""),
  ).join("\n");
  const parts = text.match(/[^\n]*\n|[^\n]+$/g)!;
  for (const format of ["cri", "json", "raw"] as const) {
    const files = (parts: readonly string[]) => {
      using temp = tempDir();
      const path = `${temp.path}/log`;
      using log = new LogWriter({ path, format, maxSize: 400, maxFiles: 500 });
      for (const part of parts) log.write("stdout", encoder.encode(part));
      assertEquals(log.lost, 0);
      return [...Deno.readDirSync(temp.path)].map(({ name }) => [
        name,
        // The times alone differ.
        Deno.readTextFileSync(`${temp.path}/${name}`)
          .replaceAll(/\d{4}-\S+?Z/g, "TIME"),
      ]).sort();
    };
    const expected = files(parts);
    assertEquals(expected.length > 10, true);
    for (const size of [1, 7, 100, 10_000]) {
      const pieces = [];
      for (let at = 0; at < parts.length; at += size) {
        pieces.push(parts.slice(at, at + size).join(""));
      }
      assertEquals(files(pieces), expected, `${format}, ${size} lines at once`);
    }
  }
});

Deno.test("LogWriter goes on where it cannot rotate, once it can", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  using log = new LogWriter({ path, format: "cri", maxSize: 60 });
  log.write("stdout", encoder.encode("one\n"));
  // Nothing is renamed to a folder.
  Deno.mkdirSync(`${path}.1/x`, { recursive: true });
  assertThrows(() => log.write("stdout", encoder.encode("two\n")));
  Deno.removeSync(`${path}.1`, { recursive: true });
  log.write("stdout", encoder.encode("three\n"));
  assertEquals(await readAll(path, "cri"), ["stdout:one\n", "stdout:three\n"]);
});

for (const format of ["json", "cri", "raw"] as const) {
  Deno.test(`LogWriter counts the bytes of the output that are missing in a log that is ${format}`, async () => {
    using temp = tempDir();
    const path = `${temp.path}/log`;
    using log = new LogWriter({ path, format, maxSize: 100 });
    const write = (text: string) => log.write("stdout", encoder.encode(text));
    // Nothing is renamed to a folder.
    Deno.mkdirSync(`${path}.1/x`, { recursive: true });
    const text = `one\n${"two".repeat(30)}\nthree\n`;
    assertThrows(() => write(text));
    Deno.removeSync(`${path}.1`, { recursive: true });
    const there = (await readAll(path, format)).join("")
      .replaceAll(/stdout:|undefined:/g, "");
    assertEquals([text.startsWith(there), there.length > 0], [true, true]);
    const length = text.length - there.length;
    assertEquals(log.lost, length);
    write("four\n€".slice(0, -1));
    log.write("stderr", encoder.encode("€").subarray(0, 1));
    log.end("stderr");
    assertEquals(log.lost, length);
  });
}

Deno.test("readLog() neither loses nor repeats what is rotated while it reads", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  using log = new LogWriter({ path, maxSize: 300, maxFiles: 30 });
  let written = 0;
  const say = (count: number) => {
    for (const end = written + count; written < end; written++) {
      log.write("stdout", encoder.encode(`${written}\n`));
    }
  };
  say(20);
  const over = Promise.withResolvers<void>();
  const seen: number[] = [];
  for await (const { text } of readLog({ path }, { follow: over.promise })) {
    seen.push(Number(decoder.decode(text)));
    if (seen.length === 2 || seen.length === 21 || seen.length === 40) {
      say(20);
    }
    if (seen.length === 80) over.resolve();
  }
  assertEquals(seen, Array.from({ length: 80 }, (_, index) => index));
});

for (const monitor of [false, true]) {
  rootTest(
    `what a full log leaves out is told by one event, ${
      monitor ? "with" : "without"
    } a monitor`,
    async () => {
      using bench = makeBench();
      const { state } = bench;
      const folder = `${bench.folder}/small`;
      Deno.mkdirSync(folder);
      await using _full = await mount({ type: "tmpfs", size: 4096 }, folder);
      Deno.writeFileSync(`${folder}/filler`, new Uint8Array(4096));
      {
        await using container = await run(
          "a",
          await bench.spec("head -c 100000 /dev/zero"),
          { state, monitor, log: { path: `${folder}/log` } },
        );
        await container.status;
        await until("the event", async () => (await lost()).length > 0);
      }
      async function lost(): Promise<unknown[]> {
        const events = await Array.fromAsync(
          readEvents({ state, types: ["log-lost"] }),
        );
        return events.map(({ id, lostBytes }) => [id, lostBytes]);
      }
      assertEquals(await lost(), [["a", 100000]]);
    },
    need("runc", "busybox"),
  );
}

rootTest(
  "a container that is disposed of is logged to its end, also if nobody reads it",
  async () => {
    using bench = makeBench();
    const path = `${bench.folder}/log`;
    {
      // More than waits for a reader, and no more than the pipe holds besides.
      await using container = await run(
        "a",
        await bench.spec("head -c 100000 /dev/zero"),
        { state: bench.state, stdout: "piped", log: { path, format: "raw" } },
      );
      await container.status;
    }
    assertEquals(Deno.statSync(path).size, 100000);
  },
  need("runc", "busybox"),
);

rootTest(
  "create() with a log refuses output that would go elsewhere",
  async () => {
    using bench = makeBench();
    const path = `${bench.folder}/out`;
    const spec = await bench.spec("true");
    for (
      const options of [
        { stdout: "inherit" },
        { stderr: { type: "file", path } },
      ] as const
    ) {
      await assertRejects(
        () => create("a", spec, { state: bench.state, log: {}, ...options }),
        TypeError,
        "with a log 'std",
      );
    }
  },
  need("runc", "busybox"),
);

rootTest("drainLog() waits for what this program logs itself", async () => {
  using bench = makeBench();
  const { state } = bench;
  const path = `${bench.folder}/log`;
  await using _container = await run(
    "a",
    await bench.spec("sleep 0.2; head -c 100000 /dev/zero"),
    { state, stdout: "piped", log: { path, format: "raw" } },
  );
  const signal = AbortSignal.abort(new RangeError("enough"));
  await assertRejects(() => drainLog("a", { state, signal }), RangeError);
  await drainLog("a", { state: relative(Deno.cwd(), state) });
  assertEquals(Deno.statSync(path).size, 100000);
}, need("runc", "busybox"));

for (const options of [{}, { tail: 1_000_000 }, { tail: 2 }]) {
  Deno.test(`readLog() lets the program go on while it reads, ${JSON.stringify(options)}`, async () => {
    using temp = tempDir();
    const path = `${temp.path}/log`;
    // One line, for whom that is of them.
    const record = "2026-01-01T00:00:00Z stdout P piece\n";
    await Deno.writeTextFile(path, record.repeat(400_000));
    const controller = new AbortController();
    const reason = new Error("enough");
    const timer = setTimeout(() => controller.abort(reason));
    const { signal } = controller;
    const error = await assertRejects(async () => {
      const log = { path, format: "cri" } as const;
      for await (const _ of readLog(log, { ...options, signal }));
    });
    clearTimeout(timer);
    assertEquals(error, reason);
  });
}

Deno.test("readLog() ends at what was there, however much is written meanwhile", async () => {
  using temp = tempDir();
  const path = `${temp.path}/log`;
  using file = await Deno.open(path, { append: true, create: true });
  const write = () => file.writeSync(encoder.encode("line\n"));
  write();
  let count = 0;
  for await (const _ of readLog({ path, format: "raw" })) {
    write();
    assertEquals(++count, 1);
  }
});
