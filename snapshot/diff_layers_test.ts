import {
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { lstatSync } from "node:fs";
import { setXattr } from "@containerkit/libc";
import { encodeText, UntarStream } from "@containerkit/tar";
import { decompress } from "@containerkit/tar/layer";
import { rootTest, runProgram, tempDir } from "@containerkit/tests";
import {
  DiffError,
  diffLayers,
  type DiffLayersOptions,
  diffUpper,
} from "./mod.ts";

/** Where a link leads; the descriptor of the folder that is listed is gone by then. */
function readLinkIfThere(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

/** Runs commands in a folder. */
async function shell(cwd: string, script: string): Promise<void> {
  await runProgram("sh", ["-ec", `umask 022; ${script}`], { cwd });
}

/** Makes two trees: the second is a copy of the first, changed. */
async function trees(before: string, change: string) {
  const temp = tempDir();
  const [a, b] = [`${temp.path}/a`, `${temp.path}/b`];
  Deno.mkdirSync(a);
  await shell(a, before);
  await runProgram("cp", ["-a", a, b]);
  await shell(b, change);
  return { a, b, [Symbol.dispose]: () => temp[Symbol.dispose]() };
}

/** The entries of a layer: kind, mode, name and where it links to or what it holds. */
async function list(
  layer: { readable: ReadableStream<Uint8Array> },
): Promise<string[]> {
  const lines: string[] = [];
  for await (
    const { header, readable } of decompress(layer.readable).pipeThrough(
      new UntarStream(),
    )
  ) {
    const text = readable === undefined
      ? ""
      : await new Response(readable).text();
    const xattrs = [...header.xattrs?.keys() ?? []].join(",");
    lines.push(
      [
        header.typeflag,
        header.mode.toString(8),
        header.name,
        header.linkname,
        text,
        xattrs,
      ]
        .filter((part) => part !== "").join(" "),
    );
  }
  return lines;
}

async function diff(
  before: string,
  change: string,
  options?: DiffLayersOptions,
): Promise<string[]> {
  using pair = await trees(before, change);
  return await list(diffLayers(pair.a, pair.b, options));
}

/** The named cases of containerd's TestDiffTar and continuity's diff_test. */
const CASES: Readonly<
  Record<
    string,
    readonly [before: string, change: string, entries: readonly string[]]
  >
> = {
  EmptyDiff: ["mkdir etc", ":", []],
  ParentInclusion: [
    "mkdir d1; mkdir -m 770 d2",
    "mkdir -m 700 d1/d; printf ok > d2/f",
    ["5 755 d1/", "5 700 d1/d/", "5 770 d2/", "0 644 d2/f ok"],
  ],
  HardlinkParentInclusion: [
    "mkdir d1 d2 d3 d4 d5 d6; for f in d1/f1 d2/f1 d4/f1 d5/f1; do printf link > $f; done; ln d1/f1 d6/l1; ln d5/f1 d6/l2",
    "ln d1/f1 d2/l1; ln d4/f1 d3/l1; rm d6/l1 d6/l2",
    [
      "5 755 d2/",
      "0 644 d2/l1 link",
      "5 755 d1/",
      "1 644 d1/f1 d2/l1",
      "5 755 d3/",
      "0 644 d3/l1 link",
      "5 755 d4/",
      "1 644 d4/f1 d3/l1",
      "5 755 d6/",
      "0 0 d6/.wh.l1",
      "0 0 d6/.wh.l2",
    ],
  ],
  UpdateDirectoryPermission: [
    "mkdir d1; mkdir -m 770 d2",
    "chmod 777 d1; mkdir -m 700 d1/d; printf ok > d2/f",
    ["5 777 d1/", "5 700 d1/d/", "5 770 d2/", "0 644 d2/f ok"],
  ],
  HardlinkUpdatedParent: [
    "mkdir d1 d2 d3 d4; for f in d1/f1 d2/f1 d3/f1; do printf link > $f; done",
    "chmod 777 d1 d4; ln d1/f1 d2/l1; ln d3/f1 d4/l1",
    [
      "5 777 d1/",
      "5 755 d2/",
      "0 644 d2/l1 link",
      "1 644 d1/f1 d2/l1",
      "5 777 d4/",
      "0 644 d4/l1 link",
      "5 755 d3/",
      "1 644 d3/f1 d4/l1",
    ],
  ],
  WhiteoutIncludesParents: [
    "mkdir d1 d2 d3 d4 d5; for f in d1/f1 d2/f1 d2/f2 d3/f1 d4/f1 d5/f1; do printf c > $f; done",
    "rm d1/f1 d2/f1 d3/f1 d4/f1; chmod 777 d2/f2; printf c > d3/f2; printf c > d4/f0; rm -r d5",
    [
      "5 755 d1/",
      "0 0 d1/.wh.f1",
      "5 755 d2/",
      "0 0 d2/.wh.f1",
      "0 777 d2/f2 c",
      "5 755 d3/",
      "0 0 d3/.wh.f1",
      "0 644 d3/f2 c",
      "5 755 d4/",
      "0 644 d4/f0 c",
      "0 0 d4/.wh.f1",
      "0 0 .wh.d5",
    ],
  ],
  WhiteoutParentRemoval: [
    "mkdir d1 d2; touch d2/f1",
    "rm -r d1 d2; mkdir d3",
    ["0 0 .wh.d1", "0 0 .wh.d2", "5 755 d3/"],
  ],
  IgnoreSockets: [
    "printf c > f1",
    "printf c > f2; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s0\")'; printf c > f3",
    ["0 644 f2 c", "0 644 f3 c"],
  ],
  SimpleDiff: [
    "mkdir etc; printf one > etc/hosts; printf p > etc/profile; printf p > etc/unchanged; touch etc/unexpected",
    "printf longer > etc/hosts; chmod 666 etc/profile; mkdir -m 700 root; printf b > root/.bashrc; rm etc/unexpected",
    [
      "5 755 etc/",
      "0 644 etc/hosts longer",
      "0 666 etc/profile p",
      "0 0 etc/.wh.unexpected",
      "5 700 root/",
      "0 644 root/.bashrc b",
    ],
  ],
  EmptyFileDiff: ["mkdir etc; touch -d @1000 etc/empty", ":", []],
  NestedDeletion: ["mkdir -p d0 d1/d2; touch d1/d2/f1", "rm -r d0 d1", [
    "0 0 .wh.d0",
    "0 0 .wh.d1",
  ]],
  DirectoryReplace: [
    "mkdir -p dir1/f2; touch dir1/f1 dir1/f2/f3",
    "touch dir1/f11; rm -r dir1/f2; printf now > dir1/f2",
    ["5 755 dir1/", "0 644 dir1/f11", "0 644 dir1/f2 now"],
  ],
  RemoveDirectoryTree: ["mkdir -p d/e/f; touch d/g", "rm -r d", ["0 0 .wh.d"]],
  RemoveDirectoryTreeWithDash: [
    "mkdir -p d1/e d1-before; touch d1/g d1-before/f",
    "rm -r d1",
    ["0 0 .wh.d1"],
  ],
  OrderWithDash: [
    "mkdir d1 d1-",
    "touch d1/a d1-/a",
    ["5 755 d1/", "0 644 d1/a", "5 755 d1-/", "0 644 d1-/a"],
  ],
  FileReplace: [
    "touch dir1",
    "rm dir1; mkdir -p dir1/dir2; printf also > dir1/dir2/f1",
    ["5 755 dir1/", "5 755 dir1/dir2/", "0 644 dir1/dir2/f1 also"],
  ],
  ParentDirectoryPermission: [
    "mkdir -m 700 dir1; mkdir -m 777 dir3",
    "mkdir -m 700 dir1/d; touch dir1/d/f dir1/f dir3/f",
    [
      "5 700 dir1/",
      "5 700 dir1/d/",
      "0 644 dir1/d/f",
      "0 644 dir1/f",
      "5 777 dir3/",
      "0 644 dir3/f",
    ],
  ],
  UpdateWithSameTime: [
    "for f in modified no-change same-time trunc3; do printf 1 > $f; touch -d @1000.000000005 $f; done; for f in trunc1 trunc2; do printf 1 > $f; touch -d @1000 $f; done",
    "printf 2 > modified; touch -d @1000.000000006 modified; printf 2 > same-time; touch -d @1000.000000005 same-time; touch -d @1000.000000005 trunc1; printf 2 > trunc2; touch -d @1000 trunc2; touch -d @1000 trunc3",
    ["0 644 modified 2", "0 644 trunc1 1", "0 644 trunc2 2", "0 644 trunc3 1"],
  ],
  Lchtimes: [
    "touch -d @1000 foo; ln -s foo lnk0; touch -h -d @0.000000042 lnk0; ln -s foo lnk1; touch -h -d @0 lnk1",
    ":",
    [],
  ],
  SymlinkTarget: [
    "ln -s a l; touch -h -d @0 l",
    "ln -sfn b l; touch -h -d @0 l",
    ["2 777 l b"],
  ],
  Devices: ["touch f", "mknod c c 1 3; mknod b b 7 300; mkfifo p", [
    "4 644 b",
    "3 644 c",
    "6 644 p",
  ]],
};

for (const [name, [before, change, entries]] of Object.entries(CASES)) {
  rootTest(`diffLayers() D5 ${name}`, async () => {
    assertEquals(await diff(before, change), [...entries]);
  });
}

rootTest(
  "diffLayers() D5 BaseDirectoryChanges lists all where nothing was",
  async () => {
    using pair = await trees("mkdir etc; printf h > etc/hosts", ":");
    assertEquals(await list(diffLayers(undefined, pair.b)), [
      "5 755 etc/",
      "0 644 etc/hosts h",
    ]);
  },
);

rootTest(
  "diffLayers() D1 writes no names of owners, no other times, and whole seconds",
  async () => {
    using pair = await trees(":", "touch -d @1234.5 f; mkdir d");
    await runProgram("chown", ["-h", "7:8", `${pair.b}/f`]);
    const seen = [];
    for await (
      const { header } of decompress(diffLayers(pair.a, pair.b).readable)
        .pipeThrough(new UntarStream())
    ) {
      const { name, uid, gid, uname, gname, mtimeNs, pax } = header;
      seen.push({ name, uid, gid, uname, gname, mtimeNs, pax });
      if (name === "f") assertEquals(header.mtime, 1234);
    }
    const plain = { uname: "", gname: "", mtimeNs: 0, pax: undefined };
    assertEquals(seen, [
      { name: "d/", uid: 0, gid: 0, ...plain },
      { name: "f", uid: 7, gid: 8, ...plain },
    ]);
  },
);

rootTest(
  "diffLayers() D4 gives the same bytes each time, and caps times",
  async () => {
    const latest = 1_642_941_296;
    using pair = await trees(
      "touch gone",
      "mkdir d; for i in 1 2 3; do echo $i > d/$i; done; rm gone",
    );
    const digests = new Set<string>();
    for (let round = 0; round < 5; round++) {
      await runProgram("cp", ["-r", pair.b, `${pair.b}${round}`]);
      const layer = diffLayers(pair.a, `${pair.b}${round}`, {
        sourceDateEpoch: latest,
      });
      await layer.readable.pipeTo(new WritableStream());
      digests.add((await layer.digests).digest);
    }
    assertEquals(digests.size, 1);
    const times = [];
    const { readable } = diffLayers(pair.a, pair.b, {
      sourceDateEpoch: latest,
    });
    for await (
      const { header } of decompress(readable).pipeThrough(new UntarStream())
    ) times.push(header.mtime);
    assertEquals(times, [latest, latest, latest, latest, 0]);
  },
);

rootTest(
  "diffLayers() D7 sees and keeps attributes, but those of the overlay and the host",
  async () => {
    using pair = await trees("touch -d @1000 a b; mkdir d", ":");
    const acl = Uint8Array.fromHex(
      "0200000001000600ffffffff02000400020000000400040" +
        "0ffffffff10000600ffffffff20000400ffffffff",
    );
    setXattr(`${pair.b}/a`, "user.note", encodeText("hi"));
    setXattr(`${pair.b}/a`, "system.posix_acl_access", acl);
    setXattr(`${pair.b}/a`, "trusted.overlay.origin", encodeText("x"));
    setXattr(`${pair.b}/a`, "user.overlay.origin", encodeText("x"));
    setXattr(`${pair.b}/a`, "security.selinux", encodeText("label"));
    setXattr(`${pair.b}/b`, "security.selinux", encodeText("label"));
    setXattr(
      `${pair.b}/d`,
      "security.capability",
      Uint8Array.fromHex("0100000200040000000000000000000000000000"),
    );
    assertEquals(await list(diffLayers(pair.a, pair.b)), [
      "0 664 a system.posix_acl_access,user.note",
      "5 755 d/ security.capability",
    ]);
    assertEquals(
      await list(
        diffLayers(pair.a, pair.b, {
          isXattrKept: (name) => name === "security.selinux",
        }),
      ),
      ["0 664 a security.selinux", "0 644 b security.selinux"],
    );
  },
);

for (const compression of ["none", "gzip", "zstd"] as const) {
  rootTest(
    `diffLayers() D9 writes ${compression} and knows its digests`,
    async () => {
      using pair = await trees(":", "seq 100000 > f");
      const layer = diffLayers(pair.a, pair.b, { compression });
      const stored = await new Response(layer.readable).bytes();
      const { digest, size, diffId, diffSize } = await layer.digests;
      const hash = async (data: Uint8Array<ArrayBuffer>) =>
        `sha256:${
          new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex()
        }`;
      const plain = await new Response(
        decompress(ReadableStream.from([stored])),
      ).bytes();
      assertEquals([digest, size, diffId, diffSize], [
        await hash(stored),
        stored.length,
        await hash(plain),
        plain.length,
      ]);
      assertEquals(digest === diffId, compression === "none");
    },
  );
}

rootTest(
  "diffLayers() reports a file that becomes shorter, and lets go of all",
  async () => {
    using pair = await trees(":", "head -c 3000000 /dev/zero > big");
    const layer = diffLayers(pair.a, pair.b, { compression: "none" });
    const reader = layer.readable.getReader();
    await reader.read();
    Deno.truncateSync(`${pair.b}/big`, 400_000);
    await assertRejects(
      async () => {
        while (!(await reader.read()).done);
      },
      DiffError,
      "became shorter",
    );
    await assertRejects(() => layer.digests, DiffError);
  },
);

for (
  const [what, before, change] of [
    ["is new", ":", "touch d/.wh.x"],
    ["is a directory", ":", "mkdir d/.wh.x"],
    ["is a new link", ":", "ln d/f d/.wh.x"],
    ["is gone", "touch d/.wh..opq", "rm d/.wh..opq"],
  ] as const
) {
  rootTest(`diffLayers() refuses a name like a mark that ${what}`, async () => {
    const error = await assertRejects(
      () => diff(`mkdir d; touch d/f; ${before}`, change),
      DiffError,
      "as marks do",
    );
    assertEquals(error.path, `d/.wh.${what === "is gone" ? ".opq" : "x"}`);
  });
}

rootTest(
  "diffLayers() passes over a name like a mark that is as it was",
  async () => {
    assertEquals(await diff("touch .wh.x", "touch f"), ["0 644 f"]);
  },
);

rootTest(
  "diffLayers() can be cancelled or aborted before and while it is read",
  async () => {
    using pair = await trees(":", "seq 300000 > f");
    await diffLayers(pair.a, pair.b).readable.cancel();
    const { readable } = diffLayers(pair.a, pair.b);
    const reader = readable.getReader();
    await reader.read();
    await reader.cancel();
    const signal = AbortSignal.abort(new Error("enough"));
    const aborted = diffLayers(pair.a, pair.b, { signal });
    await assertRejects(() => new Response(aborted.readable).bytes());
    assertThrows(
      () => diffLayers(pair.a, `${pair.b}/missing`),
      Error,
      "ENOENT",
    );
  },
);

rootTest(
  "diffLayers() closes its folders when it is aborted and nobody reads",
  async () => {
    using pair = await trees(":", "seq 300000 > f");
    const open = () =>
      [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
        const path = readLinkIfThere(`/proc/self/fd/${name}`);
        return path === pair.a || path === pair.b;
      }).length;
    const controller = new AbortController();
    const { readable } = diffLayers(pair.a, pair.b, {
      signal: controller.signal,
    });
    assertEquals(open(), 2);
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals(open(), 0);
    const { signal } = controller;
    // Which does not touch the stream then.
    await assertRejects(() =>
      Deno.writeFile("/dev/null", readable, { signal })
    );
    diffLayers(pair.a, pair.b, { signal });
    assertEquals(open(), 0);
  },
);

rootTest(
  "diffUpper() D8 reads whiteouts, opaque directories and strips what is the overlay's",
  async () => {
    await using temp = tempDir();
    await runProgram("mount", ["-t", "tmpfs", "none", temp.path]);
    try {
      await shell(
        temp.path,
        "mkdir -p l/d/sub l/e u w m; touch l/d/x l/e/x l/gone; mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m",
      );
      await shell(
        `${temp.path}/m`,
        "rm gone d/x; rm -r e; mkdir e; touch e/new; echo hi > d/sub/f; mv d/sub/f d/sub/g",
      );
      await runProgram("umount", [`${temp.path}/m`]);
      assertEquals(
        await list(diffUpper(`${temp.path}/u`)),
        [
          "5 755 d/",
          "5 755 d/sub/",
          "0 644 d/sub/g hi\n",
          "0 0 d/.wh.x",
          "5 755 e/",
          "0 0 e/.wh..wh..opq",
          "0 644 e/new",
          "0 0 .wh.gone",
        ].toSorted((x, y) => order(x) < order(y) ? -1 : 1),
      );
    } finally {
      await runProgram("umount", [temp.path]);
    }
    function order(line: string): string {
      return line.split(" ")[2]!.replace(".wh..wh..opq", "\0").replace(
        ".wh.",
        "",
      );
    }
  },
);

rootTest(
  "diffUpper() depends on what changed, not on what is below",
  async () => {
    using pair = await trees("mkdir d", "echo 1 > d/f");
    const one = diffUpper(pair.b, { compression: "none" });
    const other = diffLayers(undefined, pair.b, { compression: "none" });
    await Promise.all(
      [one, other].map(({ readable }) => readable.pipeTo(new WritableStream())),
    );
    assertEquals(await one.digests, await other.digests);
    assertNotEquals((await one.digests).diffSize, 0);
  },
);

/** Puts a FIFO in the place of a file; one who waits for its other end gets it after a while. */
function replaceByFifo(path: string) {
  Deno.removeSync(path);
  new Deno.Command("mkfifo", { args: [path] }).outputSync();
  const args = ["-c", 'sleep 10; : > "$1.late"; : <> "$1"', "sh", path];
  const child = new Deno.Command("sh", { args }).spawn();
  return {
    wasWaitedFor: () =>
      lstatSync(`${path}.late`, { throwIfNoEntry: false }) !== undefined,
    async [Symbol.asyncDispose]() {
      try {
        child.kill();
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}

for (const isCompared of [false, true]) {
  rootTest(
    `diffLayers() refuses a FIFO that took the place of a file ${
      isCompared ? "it compares" : "it reads"
    }, without waiting for it`,
    async () => {
      using pair = await trees("echo hi > f; touch -d @1000000000 f", "");
      const path = `${pair.b}/f`;
      for (const side of [pair.a, pair.b]) {
        setXattr(`${side}/f`, "trusted.x", encodeText("1"));
      }
      await using stack = new AsyncDisposableStack();
      let fifo: ReturnType<typeof replaceByFifo> | undefined;
      // The first to be called between the look at the file and its opening.
      const isXattrKept = () => {
        fifo ??= stack.use(replaceByFifo(path));
        return false;
      };
      const layer = diffLayers(isCompared ? pair.a : undefined, pair.b, {
        compression: "none",
        isXattrKept,
      });
      await assertRejects(() => list(layer), DiffError, "it was replaced");
      assertEquals(fifo?.wasWaitedFor(), false);
    },
  );
}
