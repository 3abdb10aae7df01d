import { assertEquals } from "@std/assert";
import { TarStream, type TarStreamInput, UntarStream } from "@containerkit/tar";
import {
  describeTree,
  need,
  rootTest,
  runProgram,
  tempDir,
  testIf,
} from "@containerkit/tests";
import { applyLayer, diffLayers } from "@containerkit/snapshot";

/** A tree with all that archives have trouble with. */
async function makeTree(root: string): Promise<void> {
  const script = `
    umask 022
    mkdir -p dir/sub 'dir/with space' bin
    printf hello > dir/file; chmod 4755 dir/file
    ln dir/file dir/hard; ln -s file dir/soft; ln -s ../../../etc/passwd dir/sub/out
    : > dir/sub/empty
    chown -R 1234:5678 dir/sub; chown 3000000:3000001 bin
    mknod dir/null c 1 3; mknod dir/loop b 7 300; mkfifo -m 620 dir/pipe
    long=$(printf 'long%.0s' $(seq 50)); mkdir $long; printf x > $long/$(printf 'name%.0s' $(seq 60)); ln -s $long/$(printf 'name%.0s' $(seq 60)) longlink
    printf u > 'ünïcode'; printf b > $(printf 'bad\\377name')
    setfattr -n user.note -v value dir/file
    setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 bin
    setfattr -n user.binary -v 0x00ff0a3d bin
    chmod 1777 dir; chmod 2755 'dir/with space'
    touch -d '1999-12-31 23:59:59.123456789' dir/file; touch -h -d '2001-01-01' dir/soft
    touch -d @1234567890 dir/sub dir bin
    truncate -s 3M sparse; printf end >> sparse
  `;
  await runProgram("sh", ["-ec", script], { cwd: root });
}

const WRITERS: Readonly<Record<string, readonly string[]>> = {
  "GNU tar, pax": [
    "tar",
    "--format=pax",
    "--xattrs",
    "--xattrs-include=*",
    "-S",
    "-cf",
  ],
  "GNU tar, gnu": ["tar", "--format=gnu", "-cf"],
  "GNU tar, gnu and sparse": ["tar", "--format=gnu", "-S", "-cf"],
  "bsdtar, pax": ["bsdtar", "--format=pax", "--xattrs", "-cf"],
  "bsdtar, gnutar": ["bsdtar", "--format=gnutar", "-cf"],
};

/** Facts that a format does not hold are left out of both sides. */
function comparable(lines: readonly string[], writer: string): string[] {
  const hasXattrs = writer.includes("pax");
  return lines.filter((line) => hasXattrs || !line.startsWith("# file:"))
    .filter((line) => !line.startsWith(" d "))
    .map((line) => hasXattrs ? line : line.replace(/(\d{6,})\.\d{10}/, "$1"));
}

for (const [writer, [command = "", ...args]] of Object.entries(WRITERS)) {
  rootTest(`applyLayer() applies what ${writer} wrote`, async () => {
    await using temp = tempDir();
    const [from, to] = [`${temp.path}/from`, `${temp.path}/to`];
    Deno.mkdirSync(from);
    Deno.mkdirSync(to);
    await makeTree(from);
    await runProgram(command, [...args, `${temp.path}/t.tar`, "-C", from, "."]);
    using tar = await Deno.open(`${temp.path}/t.tar`);
    await applyLayer(tar, to);
    assertEquals(
      comparable(await describeTree(to), writer),
      comparable(await describeTree(from), writer),
    );
  }, need(command));
}

const READERS: Readonly<Record<string, readonly string[]>> = {
  "GNU tar": ["tar", "--xattrs", "--xattrs-include=*", "-xpf"],
  bsdtar: ["bsdtar", "--xattrs", "-xpf"],
};

for (const [reader, [command = "", ...args]] of Object.entries(READERS)) {
  rootTest(`${reader} reads what diffLayers() wrote`, async () => {
    await using temp = tempDir();
    const [from, to] = [`${temp.path}/from`, `${temp.path}/to`];
    Deno.mkdirSync(from);
    Deno.mkdirSync(to);
    await makeTree(from);
    const { readable } = diffLayers(undefined, from, { compression: "none" });
    await Deno.writeFile(`${temp.path}/t.tar`, readable);
    await runProgram(command, [...args, `${temp.path}/t.tar`, "-C", to], {
      env: { LC_ALL: "C.UTF-8" },
    });
    // A layer holds whole seconds.
    const whole = (lines: readonly string[]) =>
      lines.filter((line) => !line.startsWith(" d ")).map((line) =>
        line.replace(/(\d{6,})\.\d{10}/, "$1")
      );
    assertEquals(
      whole(await describeTree(to)),
      whole(await describeTree(from)),
    );
  }, need(command));
}

const PYTHON_WRITES = `
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "global"}) as t:
    i = tarfile.TarInfo("d" * 300 + "/é"); i.size = 3; i.mtime = 12.5; i.uid = 2**22
    t.addfile(i, io.BytesIO(b"abc"))
    i = tarfile.TarInfo("l"); i.type = tarfile.SYMTYPE; i.linkname = "t" * 200
    t.addfile(i)
`;
const PYTHON_READS = `
import sys, tarfile
for i in tarfile.open(sys.argv[1]):
    print(i.name, i.type.decode(), i.size, i.mtime, i.uid, i.linkname, sep="|")
`;

testIf(
  need("python3"),
  "UntarStream and TarStream agree with Python",
  async () => {
    await using temp = tempDir();
    const path = `${temp.path}/t.tar`;
    await runProgram("python3", ["-c", PYTHON_WRITES, path]);
    const seen: unknown[] = [];
    {
      const file = await Deno.open(path);
      for await (
        const { header, readable } of file.readable.pipeThrough(
          new UntarStream(),
        )
      ) {
        await readable?.cancel();
        const { name, typeflag, size, mtime, mtimeNs, uid, linkname } = header;
        seen.push([name, typeflag, size, mtime, mtimeNs, uid, linkname]);
      }
    }
    assertEquals(seen, [
      [`${"d".repeat(300)}/é`, "0", 3, 12, 500_000_000, 2 ** 22, ""],
      ["l", "2", 0, 0, 0, 0, "t".repeat(200)],
    ]);
    const entries: TarStreamInput[] = [
      {
        type: "file",
        path: `${"d".repeat(300)}/é`,
        size: 0,
        readable: ReadableStream.from([]),
        options: { mtime: 12, mtimeNs: 500_000_000, uid: 2 ** 22 },
      },
      { type: "symlink", path: "l", linkname: "t".repeat(200) },
    ];
    await Deno.writeFile(
      path,
      ReadableStream.from(entries).pipeThrough(new TarStream()),
    );
    assertEquals(
      await runProgram("python3", ["-c", PYTHON_READS, path]),
      `${"d".repeat(300)}/é|0|0|12.5|4194304|\nl|2|0|0|0|${"t".repeat(200)}\n`,
    );
  },
);

/** `@std/tar`, which the mirror for machines without JSR does not have. */
interface StdTar {
  readonly TarStream: typeof TarStream;
  readonly UntarStream: typeof UntarStream;
}

async function importStdTar(): Promise<StdTar | undefined> {
  try {
    // In a variable, so that nothing asks for it before the test does.
    const specifier = "jsr:@std/tar@^0.1";
    return await import(specifier);
  } catch {
    return undefined;
  }
}

const std = await importStdTar();

testIf(
  std === undefined ? "JSR cannot be reached" : undefined,
  "UntarStream and TarStream agree with @std/tar",
  async () => {
    const entries = (): TarStreamInput[] => [
      { type: "directory", path: "d/" },
      {
        type: "file",
        path: "d/f",
        size: 5,
        readable: ReadableStream.from([new TextEncoder().encode("hello")]),
        options: { mode: 0o600, uid: 1, gid: 2, mtime: 3 },
      },
    ];
    for (
      const [write, read] of [[std!.TarStream, UntarStream], [
        TarStream,
        std!.UntarStream,
      ]] as const
    ) {
      const seen: unknown[] = [];
      for await (
        const { path, header, readable } of ReadableStream.from(entries())
          .pipeThrough(new write()).pipeThrough(new read())
      ) {
        seen.push([
          path.replace(/\/$/, ""),
          header.typeflag,
          header.mode & 0o777,
          readable && await new Response(readable).text(),
        ]);
      }
      assertEquals(seen, [["d", "5", 0o755, undefined], [
        "d/f",
        "0",
        0o600,
        "hello",
      ]]);
    }
  },
);
