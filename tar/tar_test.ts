import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  createTarParser,
  decodeText,
  encodeTarHeader,
  encodeText,
  LimitError,
  TarError,
  type TarHeader,
  type TarHeaderInit,
  type TarLimits,
  type TarParserOptions,
  TarStream,
  type TarStreamInput,
  UntarStream,
} from "./mod.ts";

/** Everything here runs without a permission. */
function pureTest(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, permissions: "none", fn });
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

function padded(data: string | Uint8Array): Uint8Array {
  const bytes = typeof data === "string" ? encodeText(data) : data;
  const block = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  block.set(bytes);
  return block;
}

function entry(header: TarHeaderInit, data = ""): Uint8Array {
  const size = encodeText(data).length;
  return join(encodeTarHeader({ ...header, size }), padded(data));
}

const END = new Uint8Array(1024);

interface Read {
  readonly header: TarHeader;
  readonly data: string;
}

/** Reads an archive, fed in chunks of a length. */
function read(
  bytes: Uint8Array,
  options: TarParserOptions & { chunk?: number } = {},
): Read[] {
  const found: { header: TarHeader; data: Uint8Array }[] = [];
  const parser = createTarParser({
    entry: (header) =>
      void found.push({
        header,
        data: new Uint8Array(Math.min(header.size, 1 << 20)),
      }),
    data: (part, position) => found.at(-1)!.data.set(part, position),
    end() {},
  }, options);
  const { chunk = bytes.length } = options;
  for (let at = 0; at < bytes.length; at += chunk) {
    parser.push(bytes.subarray(at, at + chunk));
  }
  parser.finish();
  return found.map(({ header, data }) => ({ header, data: decodeText(data) }));
}

function names(bytes: Uint8Array, options?: TarParserOptions): string[] {
  return read(bytes, options).map(({ header }) => header.name);
}

/** A header with some fields as bytes, and the right sum. */
function raw(
  fields: Readonly<Record<number, string | Uint8Array>>,
): Uint8Array {
  const block = new Uint8Array(512);
  for (const [at, value] of Object.entries(fields)) {
    block.set(
      typeof value === "string" ? encodeText(value) : value,
      Number(at),
    );
  }
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(encodeText(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return block;
}

const V7 = {
  100: "0000644\0",
  108: "0000001\0",
  116: "0000002\0",
  124: "00000000000\0",
  136: "00000001750\0",
};

pureTest(
  "createTarParser() reads v7, and its directories by their slash",
  () => {
    const bytes = join(
      raw({ 0: "dir/", ...V7 }),
      raw({ 0: "file", ...V7 }),
      END,
    );
    assertEquals(
      read(bytes).map((
        { header: { name, typeflag, mode, uid, gid, mtime } },
      ) => ({ name, typeflag, mode, uid, gid, mtime })),
      [
        {
          name: "dir/",
          typeflag: "5",
          mode: 0o644,
          uid: 1,
          gid: 2,
          mtime: 1000,
        },
        {
          name: "file",
          typeflag: "0",
          mode: 0o644,
          uid: 1,
          gid: 2,
          mtime: 1000,
        },
      ],
    );
  },
);

pureTest("createTarParser() reads the prefix of ustar, star and old Go", () => {
  const long = "d".repeat(90);
  const gnu = "ustar  \0";
  assertEquals(
    names(join(
      raw({ 0: "name", ...V7, 257: "ustar\x0000", 345: long }),
      raw({ 0: "name", ...V7, 257: "ustar\x0000", 345: long, 508: "tar\0" }),
      raw({ 0: "name", ...V7, 257: gnu, 345: long }),
      // Times, where GNU has them.
      raw({ 0: "name", ...V7, 257: gnu, 345: "00000001750\x0000000001750\0" }),
      END,
    )),
    [`${long}/name`, `${long}/name`, `${long}/name`, "name"],
  );
});

pureTest("createTarParser() reads numbers in base 256 of any sign", () => {
  const big = new Uint8Array(12);
  big.set([0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
  const negative = new Uint8Array(12).fill(0xff);
  negative[11] = 0xfe;
  const owner = new Uint8Array([0x80, 0, 0, 0, 0x80, 0, 0, 1]);
  const [{ header }] = read(join(
    raw({ 0: "f", ...V7, 108: owner, 136: negative, 156: "5" }),
    END,
  )) as [Read];
  assertEquals([header.uid, header.mtime], [0x80000001, -2]);
  const parser = createTarParser({
    entry: ({ size }) => assertEquals(size, 2 * 2 ** 32),
    data() {},
    end() {},
  });
  parser.push(raw({ 0: "f", ...V7, 124: big }));
  assertThrows(() => parser.finish(), TarError, "in the middle of an entry");
});

pureTest("createTarParser() reads GNU's long names and links", () => {
  const [name, target] = ["n".repeat(300), "t".repeat(400)];
  const long = (flag: string, text: string) =>
    join(
      raw({
        0: "././@LongLink",
        ...V7,
        124: `${(text.length + 1).toString(8).padStart(11, "0")}\0`,
        156: flag,
        257: "ustar  \0",
      }),
      padded(`${text}\0`),
    );
  const [{ header }] = read(join(
    long("K", target),
    long("L", name),
    raw({ 0: "short", ...V7, 156: "2", 157: "short", 257: "ustar  \0" }),
    END,
  )) as [Read];
  assertEquals([header.name, header.linkname], [name, target]);
});

pureTest("createTarParser() reads PAX, and global headers as told", () => {
  const pax = (flag: string, text: string) =>
    join(
      encodeTarHeader({ name: "p", typeflag: flag, size: text.length }),
      padded(text),
    );
  const bytes = join(
    pax("g", "17 comment=hello\n13 gname=all\n"),
    pax("x", "10 uid=99\n14 mtime=-0.5\n15 path=a/long\n"),
    entry({ name: "short" }),
    pax("x", "13 gname=\n".replace("13", "10")),
    entry({ name: "other", gname: "own" }),
    END,
  );
  const [one, two] = read(bytes).map(({ header }) => header);
  assertEquals(
    [
      one!.name,
      one!.uid,
      one!.mtime,
      one!.mtimeNs,
      one!.gname,
      one!.pax?.get("comment"),
    ],
    ["a/long", 99, -1, 500_000_000, "all", "hello"],
  );
  assertEquals(two!.gname, "own");
  assertEquals(read(bytes, { globals: "ignore" })[0]!.header.gname, "");
});

pureTest(
  "createTarParser() reads both spellings of extended attributes",
  () => {
    const text = "26 SCHILY.xattr.user.a=\0b\n";
    const records = [
      `${text.length} SCHILY.xattr.user.a=\0b\n`,
      `${"xx LIBARCHIVE.xattr.user.b%20c=aGk\n".length} LIBARCHIVE.xattr.user.b%20c=aGk\n`,
    ].join("");
    const bytes = join(
      encodeTarHeader({ name: "p", typeflag: "x", size: records.length }),
      padded(records),
      entry({ name: "f" }),
      END,
    );
    assertEquals(
      [...read(bytes)[0]!.header.xattrs ?? []].map((
        [key, value],
      ) => [key, decodeText(value)]),
      [["user.a", "\0b"], ["user.b c", "hi"]],
    );
  },
);

pureTest(
  "createTarParser() reads attributes by the names that GNU tar and bsdtar write them under",
  () => {
    const lines = [
      // GNU tar.
      "SCHILY.xattr.user.a%3D%25=1",
      "SCHILY.xattr.user.%20=2",
      // bsdtar writes both.
      "SCHILY.xattr.user.%FF%3D=3",
      "LIBARCHIVE.xattr.user.%FF%3D=Mw",
    ];
    const records = lines.map((line) => `${line.length + 4} ${line}\n`)
      .join("");
    const bytes = join(
      encodeTarHeader({ name: "p", typeflag: "x", size: records.length }),
      padded(records),
      entry({ name: "f" }),
      END,
    );
    assertEquals(
      [...read(bytes)[0]!.header.xattrs ?? []].map((
        [key, value],
      ) => [key, decodeText(value)]),
      [["user.a=%", "1"], ["user.%20", "2"], ["user.\udcff=", "3"]],
    );
  },
);

pureTest(
  "encodeTarHeader() writes attributes without a value, and of any name",
  () => {
    const xattrs = new Map([
      ["user.none", new Uint8Array()],
      ["user.a=b", encodeText("1")],
      ["user.\udcff =%", encodeText("2")],
      ["user.\udcff", encodeText("3")],
      ["user.both=", new Uint8Array()],
      ["user.%3D", encodeText("4")],
      ["user.%", encodeText("5")],
    ]);
    const bytes = join(entry({ name: "f", xattrs }), END);
    assertEquals(read(bytes)[0]!.header.xattrs, xattrs);
  },
);

pureTest(
  "createTarParser() takes an attribute of all back by a record without a value",
  () => {
    const all = "25 SCHILY.xattr.user.a=1\n";
    const none = new Map([["user.a", new Uint8Array()]]);
    const bytes = join(
      encodeTarHeader({ name: "p", typeflag: "g", size: all.length }),
      padded(all),
      entry({ name: "a" }),
      entry({ name: "b", xattrs: none }),
      END,
    );
    assertEquals(
      read(bytes).map(({ header }) => header.xattrs?.has("user.a") ?? false),
      [true, false],
    );
  },
);

pureTest("createTarParser() gives the same whatever the chunks are", () => {
  const bytes = join(
    entry({
      name: "x".repeat(200),
      xattrs: new Map([["user.a", encodeText("b")]]),
    }, "hello ".repeat(300)),
    entry({ name: "d/", typeflag: "5" }),
    entry({ name: "empty" }),
    END,
    new Uint8Array(3000),
  );
  const whole = read(bytes);
  for (const chunk of [1, 7, 511, 512, 513, 4096]) {
    assertEquals(read(bytes, { chunk }), whole);
  }
});

pureTest("createTarParser() pauses, and goes on where it was", () => {
  const bytes = join(entry({ name: "a" }, "1"), entry({ name: "b" }, "2"), END);
  const seen: string[] = [];
  const parser = createTarParser({
    entry({ name }) {
      seen.push(name);
      parser.pause();
    },
    data: (part) => void seen.push(decodeText(part)),
    end() {},
  });
  let rounds = 0;
  for (let at = 0; at < bytes.length; rounds++) {
    at += parser.push(bytes.subarray(at));
  }
  parser.finish();
  assertEquals([seen, rounds], [["a", "1", "b", "2"], 3]);
});

pureTest(
  "createTarParser() passes over what follows the end, or reads it as told",
  () => {
    const bytes = join(
      entry({ name: "a" }),
      END,
      entry({ name: "b" }),
      END,
      new Uint8Array([1, 2, 3]),
    );
    assertEquals(names(bytes), ["a"]);
    assertEquals(names(bytes.subarray(0, -3), { concatenated: true }), [
      "a",
      "b",
    ]);
  },
);

pureTest(
  "createTarParser() takes an archive without an end mark or last padding",
  () => {
    assertEquals(names(entry({ name: "a" }, "1")), ["a"]);
    assertEquals(names(entry({ name: "a" }, "1").subarray(0, 513)), ["a"]);
    assertEquals(names(new Uint8Array()), []);
  },
);

const BAD: Readonly<Record<string, readonly [bytes: Uint8Array, why: string]>> =
  {
    "a wrong sum": [
      raw({ 0: "a", ...V7 }).map((byte, index) => index === 0 ? 66 : byte),
      "checksum",
    ],
    "a cut header": [
      entry({ name: "a" }).subarray(0, 100),
      "in the middle of an entry",
    ],
    "a cut body": [
      entry({ name: "a" }, "hello").subarray(0, 514),
      "in the middle of an entry",
    ],
    "a header for nothing": [
      encodeTarHeader({ name: "x".repeat(300) }).subarray(0, 1024),
      "behind an extended header",
    ],
    "a header before the end": [
      join(encodeTarHeader({ name: "x".repeat(300) }).subarray(0, 1024), END),
      "belongs to no entry",
    ],
    "zeros between entries": [
      join(entry({ name: "a" }), new Uint8Array(512), entry({ name: "b" })),
      "block of zeros",
    ],
    "a size that is no number": [
      raw({ 0: "a", ...V7, 124: "12x4" }),
      "size of the header is wrong",
    ],
    "a negative size": [
      raw({ 0: "a", ...V7, 124: new Uint8Array(12).fill(0xff) }),
      "size of an entry is negative",
    ],
  };
for (const [what, [bytes, why]] of Object.entries(BAD)) {
  pureTest(`createTarParser() refuses ${what}`, () => {
    assertThrows(() => read(bytes), TarError, why);
  });
}

const BAD_PAX = [
  "9 a=b",
  "5 a=b\n",
  "7 path\n",
  "x a=b\n",
  "6 =bc\n",
  "99999999999999999999 a=b\n",
  "12 path=a\0b\n",
  "9 uid=x\n",
  "11 mtime=x\n",
  "22 GNU.sparse.major=1\n",
  "37 GNU.sparse.map=0,1\n",
];
for (const text of BAD_PAX) {
  pureTest(
    `createTarParser() refuses the PAX record ${JSON.stringify(text)}`,
    () => {
      const bytes = join(
        encodeTarHeader({ name: "p", typeflag: "x", size: text.length }),
        padded(text),
        entry({ name: "f" }),
        END,
      );
      assertThrows(() => read(bytes), TarError);
    },
  );
}

pureTest("createTarParser() keeps to limits", () => {
  const cases: [TarLimits, Uint8Array][] = [
    [{ entries: 1 }, join(entry({ name: "a" }), entry({ name: "b" }))],
    [{ pathBytes: 5 }, entry({ name: "éééé" })],
    [{ pathDepth: 2 }, entry({ name: "a/b/c" })],
    [{ headerBytes: 1000 }, entry({ name: "a".repeat(900) })],
    [
      { totalBytes: 3 },
      join(entry({ name: "a" }, "12"), entry({ name: "b" }, "34")),
    ],
  ];
  for (const [limits, bytes] of cases) {
    const error = assertThrows(() => read(bytes, { limits }), LimitError);
    assertEquals([error.limit, error.maximum], Object.entries(limits)[0]!);
  }
  for (const limits of [{ totalBytes: NaN }, { entries: -1 }]) {
    assertThrows(
      () => read(entry({ name: "a" }), { limits }),
      RangeError,
      "expected a number from 0",
    );
  }
  // These two hold without being asked for.
  assertThrows(() => read(entry({ name: "a".repeat(5000) })), LimitError);
  assertThrows(
    () => read(raw({ 0: "x", ...V7, 124: "00077777777\0", 156: "x" })),
    LimitError,
  );
});

pureTest("encodeTarHeader() writes PAX only when ustar cannot hold it", () => {
  const plain: TarHeaderInit[] = [
    { name: "a" },
    { name: `${"d".repeat(155)}/${"f".repeat(100)}` },
    {
      name: "a",
      uid: 0o7777777,
      size: 0o77777777777,
      mtime: 0o77777777777,
      linkname: "l".repeat(100),
    },
  ];
  for (const header of plain) assertEquals(encodeTarHeader(header).length, 512);
  const extended: TarHeaderInit[] = [
    { name: "é" },
    { name: "f".repeat(101) },
    { name: `d/${"f".repeat(101)}` },
    { name: "a", uid: 0o10000000 },
    { name: "a", size: 2 ** 33 },
    { name: "a", mtimeNs: 1 },
    { name: "a", mtime: -1 },
    { name: "a", linkname: "l".repeat(101) },
    { name: "a", uname: "ü" },
    { name: "a", typeflag: "3", devmajor: 2 ** 24 },
    { name: "a", xattrs: new Map([["user.a", encodeText("b")]]) },
    { name: "a\udcff" },
  ];
  for (const header of extended) {
    const bytes = encodeTarHeader(header);
    assertEquals(bytes.length > 512, true, JSON.stringify(header));
    let found: TarHeader | undefined;
    createTarParser({ entry: (it) => void (found = it), data() {}, end() {} })
      .push(bytes);
    for (const [key, value] of Object.entries(header)) {
      assertEquals(found![key as keyof TarHeader], value);
    }
  }
});

pureTest("encodeTarHeader() refuses what cannot be written", () => {
  assertThrows(
    () => encodeTarHeader({ name: "" }),
    TypeError,
    "without a name",
  );
  assertThrows(() => encodeTarHeader({ name: "a\0" }), TypeError, "NUL");
  assertThrows(
    () => encodeTarHeader({ name: "a", typeflag: "00" }),
    TypeError,
    "one character",
  );
  assertThrows(
    () => encodeTarHeader({ name: "a", size: -1 }),
    RangeError,
    "its size is -1",
  );
  assertThrows(
    () => encodeTarHeader({ name: "a", mtime: 0.5 }),
    RangeError,
    "its time is 0.5 s",
  );
  assertThrows(
    () => encodeTarHeader({ name: "a", pax: new Map([["a=b", "c"]]) }),
    TypeError,
    "no key of a PAX record",
  );
});

pureTest("encodeTarHeader() counts the digits of a record's own length", () => {
  for (let length = 80; length < 110; length++) {
    const value = new Uint8Array(length).fill(65);
    const bytes = join(
      encodeTarHeader({ name: "a", xattrs: new Map([["user.a", value]]) }),
      END,
    );
    assertEquals(read(bytes)[0]!.header.xattrs?.get("user.a"), value);
  }
});

function write(
  ...entries: readonly TarStreamInput[]
): ReadableStream<Uint8Array> {
  return ReadableStream.from(entries).pipeThrough(new TarStream());
}

function body(
  text: string,
): { size: number; readable: ReadableStream<Uint8Array> } {
  const bytes = encodeText(text);
  return { size: bytes.length, readable: ReadableStream.from([bytes]) };
}

pureTest(
  "TarStream reads a body no faster than its archive is read",
  async () => {
    let pulls = 0;
    const readable = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(512));
        if (++pulls === 1000) controller.close();
      },
    });
    const archive = write({ type: "file", path: "f", size: 512_000, readable });
    const reader = archive.getReader();
    const { value: header } = await reader.read();
    assertEquals(header?.length, 512);
    await new Promise((resolve) => setTimeout(resolve));
    assert(pulls < 5, `${pulls}`);
    let rest = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      rest += value.length;
    }
    assertEquals(rest, 512_000 + 1024);
  },
);

for (const by of ["who reads it", "who writes it"]) {
  pureTest(
    `TarStream lets go of a body that stands still when ${by} gives up`,
    async () => {
      const reason = new Error("enough");
      const ended = Promise.withResolvers<unknown>();
      const begun = Promise.withResolvers<void>();
      const readable = new ReadableStream<Uint8Array>({
        pull: () => begun.resolve(),
        cancel: ended.resolve,
      }, { highWaterMark: 0 });
      const archive = new TarStream();
      const writer = archive.writable.getWriter();
      const written = assertRejects(() =>
        writer.write({ type: "file", path: "f", size: 9, readable })
      );
      const reader = archive.readable.getReader();
      await reader.read();
      await begun.promise;
      if (by === "who reads it") await reader.cancel(reason);
      else {
        await writer.abort(reason);
        assertEquals(await assertRejects(() => reader.read()), reason);
      }
      assertEquals(await ended.promise, reason);
      assertEquals(await written, reason);
      assertEquals(await assertRejects(() => writer.closed), reason);
    },
  );
}

pureTest(
  "TarStream and UntarStream are the inverse of one another",
  async () => {
    const options = {
      mode: 0o750,
      uid: 3,
      gid: 4,
      mtime: 5,
      mtimeNs: 6,
      uname: "u",
      gname: "g",
    };
    const archive = write(
      { type: "directory", path: "d", options },
      { type: "file", path: "d/f", ...body("hello"), options },
      { type: "symlink", path: "d/s", linkname: "f", options },
      { type: "link", path: "d/l", linkname: "d/f" },
      {
        type: "character-device",
        path: "c",
        options: { devmajor: 1, devminor: 3 },
      },
      { type: "fifo", path: "p" },
    );
    const seen: unknown[] = [];
    for await (
      const { path, header, readable } of archive.pipeThrough(new UntarStream())
    ) {
      seen.push([
        header.typeflag,
        path,
        header.linkname,
        header.mtimeNs,
        readable && await new Response(readable).text(),
      ]);
    }
    assertEquals(seen, [
      ["5", "d/", "", 6, undefined],
      ["0", "d/f", "", 6, "hello"],
      ["2", "d/s", "f", 6, undefined],
      ["1", "d/l", "d/f", 0, undefined],
      ["3", "c", "", 0, undefined],
      ["6", "p", "", 0, undefined],
    ]);
  },
);

pureTest(
  "TarStream refuses a body that is not as long as its size",
  async () => {
    const drain = (stream: ReadableStream) =>
      stream.pipeTo(new WritableStream());
    await assertRejects(
      () =>
        drain(write({ type: "file", path: "f", ...body("12345"), size: 4 })),
      RangeError,
      "longer than 4 bytes",
    );
    await assertRejects(
      () =>
        drain(write({ type: "file", path: "f", ...body("12345"), size: 6 })),
      RangeError,
      "has 5 bytes, expected 6",
    );
  },
);

pureTest("TarStream writes the same bytes each time", async () => {
  const make = () =>
    new Response(
      write({
        type: "file",
        path: "ö",
        ...body("x"),
        options: {
          xattrs: new Map([["user.b", encodeText("1")], [
            "user.a",
            encodeText("2"),
          ]]),
        },
      }),
    ).bytes();
  assertEquals(await make(), await make());
});

pureTest("UntarStream passes over bodies that nobody reads", async () => {
  const archive = write(
    { type: "file", path: "a", ...body("1".repeat(5000)) },
    { type: "file", path: "b", ...body("2".repeat(5000)) },
    { type: "file", path: "c", ...body("") },
  );
  const seen: string[] = [];
  for await (
    const { path, readable } of archive.pipeThrough(new UntarStream())
  ) {
    seen.push(path);
    if (path !== "b") continue;
    const reader = readable!.getReader();
    await reader.read();
    reader.releaseLock();
  }
  assertEquals(seen, ["a", "b", "c"]);
});

pureTest("UntarStream fails as the archive does", async () => {
  const bytes = entry({ name: "a" }, "x".repeat(2000)).subarray(0, 1000);
  await assertRejects(
    async () => {
      for await (
        const { readable } of ReadableStream.from([bytes]).pipeThrough(
          new UntarStream(),
        )
      ) await readable?.cancel();
    },
    TarError,
    "in the middle of an entry",
  );
});

pureTest("decodeText() and encodeText() lose nothing", () => {
  const all = [
    new Uint8Array(256).map((_, index) => index),
    encodeText("aé€😀"),
    new Uint8Array([0xed, 0xa0, 0x80, 0xf5, 0xc0, 0xaf, 0xe2, 0x82]),
    new Uint8Array(2000).fill(0x61),
  ];
  for (const bytes of all) assertEquals(encodeText(decodeText(bytes)), bytes);
});

pureTest("createTarParser() refuses a sparse file of a negative size", () => {
  const header = raw({
    0: "s",
    100: "0000644",
    124: "00000000000",
    156: "S",
    257: "ustar  \0",
    483: new Uint8Array(12).fill(0xff),
  });
  assertThrows(
    () => read(join(header, END)),
    TarError,
    "a sparse file has no size",
  );
});

/** What `decodeText()` is to give, sequence by sequence, as the decoder judges them. */
function decodeBySequences(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const one = bytes.subarray(at, at + length);
    try {
      text += decoder.decode(one);
      at += length;
    } catch {
      text += String.fromCharCode(0xdc00 + first);
      at++;
    }
  }
  return text;
}

pureTest("decodeText() agrees with the decoder on each sequence", () => {
  // Bytes at which the rules of UTF-8 change.
  const edges = [
    ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1],
    ...[0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3],
    ...[0xf4, 0xf5, 0xfe, 0xff, 0xbb],
  ];
  const check = (bytes: Uint8Array) => {
    const text = decodeText(bytes);
    assertEquals(text, decodeBySequences(bytes));
    assertEquals(encodeText(text), bytes);
  };
  for (const one of edges) {
    for (const two of edges) {
      for (const three of edges) check(new Uint8Array([one, two, three]));
    }
  }
  let seed = 1;
  const random = () => seed = seed * 48271 % 0x7fffffff;
  for (let round = 0; round < 2000; round++) {
    check(
      Uint8Array.from(
        { length: 12 },
        () =>
          round % 2 === 0 ? edges[random() % edges.length]! : random() % 256,
      ),
    );
  }
  check(Uint8Array.from({ length: 5000 }, () => random() % 256));
});

pureTest("decodeText() asks the decoder once, however much is wrong", () => {
  const { decode } = TextDecoder.prototype;
  let calls = 0;
  TextDecoder.prototype.decode = function (...args) {
    calls++;
    return decode.apply(this, args);
  };
  try {
    assertEquals(
      decodeText(new Uint8Array(1000).fill(0xc2)),
      "\udcc2".repeat(1000),
    );
    assertEquals(calls, 1);
  } finally {
    TextDecoder.prototype.decode = decode;
  }
});

pureTest("createTarParser() says of a compressed archive what it is", () => {
  const refuse = (head: number[], before = 0) => {
    const bytes = new Uint8Array(before + 512);
    bytes.set(head, before);
    const parser = createTarParser({ entry() {}, data() {}, end() {} });
    if (before > 0) bytes.set(encodeTarHeader({ name: "a" }));
    return assertThrows(() => parser.push(bytes), TarError).message;
  };
  const gzip = [0x1f, 0x8b, 8];
  const why = "Cannot read the archive at byte 0: it is compressed by";
  assertEquals(refuse(gzip), `${why} gzip, and nobody decompressed it`);
  assertEquals(
    refuse([0x28, 0xb5, 0x2f, 0xfd]),
    `${why} zstd, and nobody decompressed it`,
  );
  assertEquals(
    refuse([0x42, 0x5a, 0x68]),
    `${why} bzip2, which layers may not be`,
  );
  assertEquals(
    refuse(gzip, 512),
    "Cannot read the archive at byte 512: the checksum of a header is wrong",
  );
});
