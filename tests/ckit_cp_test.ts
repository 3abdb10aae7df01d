import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { TarStream, type TarStreamInput, UntarStream } from "@containerkit/tar";
import { IMAGE, setUp } from "./_ckit_box.ts";
import { ckit, need, rootTest, startCkit } from "./mod.ts";

type Box = Awaited<ReturnType<typeof setUp>>;

/** A container that runs, one that has ended, and a folder of the host to copy from and to. */
async function setUpFiles(box: Box) {
  const { call, options, folder } = box;
  const make = (id: string, ...more: string[]) =>
    call("run", "-d", "--network", "none", "--name", id, ...more);
  await make("up", IMAGE, "sleep", "1000");
  await make("down", IMAGE, "true");
  await call("wait", "down");
  const host = `${folder}/host`;
  Deno.mkdirSync(`${host}/tree/sub`, { recursive: true });
  Deno.writeTextFileSync(`${host}/one`, "1");
  Deno.chownSync(`${host}/one`, 7, 8);
  Deno.writeTextFileSync(`${host}/tree/sub/two`, "2");
  Deno.linkSync(`${host}/tree/sub/two`, `${host}/tree/twin`);
  Deno.symlinkSync("sub/two", `${host}/tree/link`);
  Deno.symlinkSync("tree", `${host}/alias`);
  return {
    ...box,
    host,
    make,
    cp: (...words: string[]) => call("cp", ...words),
    /** What a call is refused with. */
    async refusal(...words: string[]) {
      const { code, stderr } = await ckit(["cp", ...words], options);
      assertEquals(code === 0, false, `ckit cp ${words.join(" ")}`);
      return stderr;
    },
  };
}

/** The files below a folder, and what they hold or link to. */
function list(folder: string, below = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, isDirectory, isSymlink } of Deno.readDirSync(folder)) {
    const [path, shown] = [`${folder}/${name}`, `${below}${name}`];
    if (isSymlink) found[shown] = `-> ${Deno.readLinkSync(path)}`;
    else if (!isDirectory) found[shown] = Deno.readTextFileSync(path);
    else Object.assign(found, { [`${shown}/`]: "" }, list(path, `${shown}/`));
  }
  return found;
}

const TREE = {
  "link": "-> sub/two",
  "sub/": "",
  "sub/two": "2",
  "twin": "2",
};

/** The same below a name. */
function below(name: string, files: Record<string, string>) {
  return Object.fromEntries([
    [`${name}/`, ""],
    ...Object.entries(files).map(([path, text]) => [`${name}/${path}`, text]),
  ]);
}

rootTest(
  "ckit cp copies files and folders as docker cp does, both ways",
  async () => {
    await using box = await setUp();
    const { cp, refusal, host, folder } = await setUpFiles(box);
    const back = `${folder}/back`;
    for (const id of ["up", "down"]) {
      // A file: to a new name, into a folder, over a file.
      await cp(`${host}/one`, `${id}:/new`);
      await cp(`${host}/one`, `${id}:/tmp`);
      await cp(`${host}/tree/twin`, `${id}:tmp/one`);
      // A folder: to a new name, into a folder, what is in it.
      await cp(`${host}/tree`, `${id}:/made`);
      await cp(`${host}/tree`, `${id}:/made/`);
      await cp(`${host}/tree/.`, `${id}:/made/tree/sub`);
      Deno.mkdirSync(back);
      await cp(`${id}:/new`, `${back}/new`);
      await cp(`${id}:/tmp/one`, back);
      await cp(`${id}:/made`, `${back}/made`);
      await cp(`${id}:/made/tree`, back);
      await cp(`${id}:/made/.`, `${back}/made`);
      const inner = { ...TREE, ...below("sub", { ...TREE, "two": "2" }) };
      const made = { ...TREE, ...below("tree", inner) };
      assertEquals(list(back), {
        "new": "1",
        "one": "2",
        ...below("made", made),
        ...below("tree", inner),
      });
      const [one, other] = ["twin", "sub/two"].map((path) =>
        Deno.statSync(`${back}/made/${path}`).ino
      );
      assertEquals(one, other);
      Deno.removeSync(back, { recursive: true });
    }
    const refusals = [
      [[`${host}/none`, "down:/x"], "there is no such file"],
      [[`${host}/one/`, "down:/x"], "it is no folder"],
      [[`${host}/one`, "down:/none/x"], 'there is no "none" on the way'],
      [[`${host}/one`, "down:/none/"], "there is no such folder"],
      [[`${host}/one`, "down:/new/x"], '"/new" is no folder'],
      [[`${host}/one`, "down:/new/"], "it is no folder"],
      [[`${host}/tree`, "down:/new"], "it is no folder"],
      [[`${host}/tree`, "down:/none/x"], 'there is no "none" on the way'],
      [["down:/none", `${host}/x`], "there is no such file"],
      [["down:/new", `${host}/none/x`], 'there is no "none" on the way'],
      [["down:/new", "/dev/null"], "it is no regular file"],
      [["down:/made", `${host}/one`], "it is no folder"],
    ] as const;
    await Promise.all(refusals.map(async ([words, why]) => {
      assertStringIncludes(await refusal(...words), why);
    }));
    // A folder and a file never take each other's place.
    await cp(`${host}/tree/sub`, "down:/tmp/clash");
    Deno.mkdirSync(`${folder}/clash/two`, { recursive: true });
    assertStringIncludes(
      await refusal(`${folder}/clash/.`, "down:/tmp/clash"),
      "what is there is no directory",
    );
    Deno.removeSync(`${folder}/clash/two`);
    await cp(`${host}/tree/sub`, "down:/tmp/clash/clash");
    Deno.writeTextFileSync(`${folder}/clash/clash`, "");
    assertStringIncludes(
      await refusal(`${folder}/clash/.`, "down:/tmp/clash"),
      "a directory is there",
    );
    Deno.removeSync(`${folder}/clash`, { recursive: true });
    for (const words of [["a", "b"], ["up:/a", "down:/b"], ["up:/a"]]) {
      assertMatch(await refusal(...words), /^ckit: ckit cp (copies|takes) /);
    }
    assertStringIncludes(
      await refusal("none:/a", host),
      'Cannot find container "none"',
    );
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit cp keeps owners with -a, and follows a link with -L; what lends rights stays in the container",
  async () => {
    await using box = await setUp();
    const { call, cp, host, options } = await setUpFiles(box);
    const run = (script: string) => call("exec", "up", "sh", "-c", script);
    const owner = (path: string) => run(`stat -c %u:%g ${path}`);
    await cp(`${host}/one`, "up:/plain");
    await cp("-a", `${host}/one`, "up:/exact");
    assertEquals(
      [await owner("/plain"), await owner("/exact")],
      ["0:0", "7:8"],
    );
    await cp(`${host}/alias`, "up:/alias");
    await cp("-L", `${host}/alias`, "up:/followed");
    assertEquals(
      await run("readlink /alias; ls /followed"),
      [
        "tree",
        "link",
        "sub",
        "twin",
      ].join("\n"),
    );
    await run(
      "mkdir /d; cd /d; echo 1 >f; chown 7:8 f; chmod 6755 f; mknod n c 1 3; ln -s f l",
    );
    await cp("up:/d/l", `${host}/l`);
    assertEquals(Deno.readLinkSync(`${host}/l`), "f");
    await cp("-L", "up:/d/l", `${host}/followed`);
    assertEquals(Deno.readTextFileSync(`${host}/followed`), "1\n");
    const look = (path: string) => {
      const { uid, gid, mode } = Deno.statSync(`${host}/${path}`);
      return [uid, gid, mode! & 0o7777];
    };
    const { code, stderr } = await ckit(["cp", "up:/d", host], options);
    assertEquals([code, stderr], [
      0,
      'ckit: left out "d/n": it is a device; -a copies it\n',
    ]);
    assertEquals(Object.keys(list(`${host}/d`)).toSorted(), ["f", "l"]);
    assertEquals(look("d/f"), [0, 0, 0o755]);
    await cp("-a", "up:/d/.", `${host}/d`);
    assertEquals(look("d/f"), [7, 8, 0o6755]);
    assertEquals(Deno.statSync(`${host}/d/n`).isCharDevice, true);
  },
  need("runc", "busybox"),
);

/** Runs ckit with an archive as its input. */
async function feed(
  box: Box,
  args: readonly string[],
  entries: Iterable<TarStreamInput>,
): Promise<{ code: number; stderr: string }> {
  const child = startCkit(args, box.options, "piped");
  const sent = ReadableStream.from(entries).pipeThrough(new TarStream())
    .pipeTo(child.stdin).catch(() => {});
  const { code, stderr } = await child.output();
  await sent;
  return { code, stderr: new TextDecoder().decode(stderr) };
}

rootTest(
  "ckit cp takes an archive from its input, and writes one to its output",
  async () => {
    await using box = await setUp();
    const { call, cp, host, options } = await setUpFiles(box);
    const child = startCkit(["cp", "up:/bin/busybox", "-"], options);
    await child.stderr.cancel();
    const names: string[] = [];
    for await (
      const { path, readable } of child.stdout.pipeThrough(new UntarStream())
    ) {
      names.push(path);
      await readable?.cancel();
    }
    await child.status;
    assertEquals(names, ["busybox"]);

    await cp(`${host}/tree`, "up:/made");
    const pack = startCkit(["cp", "up:/made", "-"], options);
    await pack.stderr.cancel();
    const unpack = startCkit(["cp", "-", "down:/tmp"], options, "piped");
    await pack.stdout.pipeTo(unpack.stdin);
    await pack.status;
    assertEquals((await unpack.output()).code, 0);
    await cp("down:/tmp/made", `${host}/made`);
    assertEquals(list(`${host}/made`), TREE);

    const owned: TarStreamInput = {
      type: "directory",
      path: "owned",
      options: { uid: 7, gid: 8 },
    };
    const fed = await feed(box, ["cp", "-", "up:/tmp"], [owned]);
    assertEquals(fed, { code: 0, stderr: "" });
    assertEquals(
      await call("exec", "up", "stat", "-c", "%u:%g", "/tmp/owned"),
      "7:8",
    );
    for (const path of ["/none", "/bin/busybox"]) {
      const { code, stderr } = await feed(box, ["cp", "-", `up:${path}`], []);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "it is no folder");
    }
    // What hides another in a layer is a name here.
    const hidden: TarStreamInput = {
      type: "file",
      path: ".wh.owned",
      size: 0,
      readable: ReadableStream.from([]),
    };
    await feed(box, ["cp", "-", "up:/tmp"], [hidden]);
    assertEquals(
      await call("exec", "up", "ls", "-a", "/tmp"),
      ".\n..\n.wh.owned\nowned",
    );
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit cp never leaves the container, nor the folder of the host",
  async () => {
    await using box = await setUp();
    const { call, cp, refusal, make, host, folder, options } = await setUpFiles(
      box,
    );
    const run = (script: string) => call("exec", "up", "sh", "-c", script);
    const secret = `${folder}/secret`;
    Deno.mkdirSync(secret);
    Deno.writeTextFileSync(`${secret}/file`, "host's");
    const climb = "../".repeat(20).slice(0, -1);
    await run([
      `ln -s ${secret} /absolute`,
      `ln -s ${climb}${secret} /relative`,
      `ln -s /proc/1/root /magic`,
      "ln -s loop /loop",
    ].join("; "));
    for (const link of ["absolute", "relative"]) {
      assertStringIncludes(
        await refusal(`up:/${link}/file`, `${host}/stolen`),
        "on the way",
      );
      assertStringIncludes(
        await refusal(`${host}/one`, `up:/${link}/file`),
        "on the way",
      );
    }
    assertStringIncludes(
      await refusal(`up:${climb}${secret}/file`, `${host}/stolen`),
      "on the way",
    );
    assertStringIncludes(
      await refusal("up:/magic/etc", `${host}/stolen`),
      'the proc on "/proc" is seen in the container only',
    );
    assertStringIncludes(await refusal("up:/loop/x", host), "too many links");
    const entry: TarStreamInput = {
      type: "file",
      path: `absolute/${climb}${secret}/new`,
      size: 3,
      readable: ReadableStream.from([new TextEncoder().encode("new")]),
    };
    await feed(box, ["cp", "-", "up:/"], [
      { ...entry, path: `${climb}${secret}/new` },
    ]);
    assertEquals(list(secret), { file: "host's" });
    assertEquals(await run(`cat ${secret}/new`), "new");

    // A link that the host has where the container has a folder.
    await run("mkdir -p /out/sub; echo x >/out/sub/file");
    Deno.mkdirSync(`${host}/out`);
    Deno.symlinkSync(secret, `${host}/out/sub`);
    assertStringIncludes(
      await refusal("up:/out", host),
      "what is there is no directory",
    );
    assertEquals(list(secret), { file: "host's" });
    // A part of what is shared is shared too, and becomes a link.
    Deno.mkdirSync(`${folder}/shared/part`, { recursive: true });
    Deno.symlinkSync(`${folder}/shared`, `${folder}/other`);
    await make(
      "shares",
      ...["-v", `${folder}/other:/all`, "-v", `${folder}/other/part:/part`],
      ...[IMAGE, "sleep", "1000"],
    );
    await cp(`${host}/one`, "shares:/part");
    assertEquals(list(`${folder}/shared/part`), { one: "1" });
    await call(
      ...["exec", "shares", "sh", "-c"],
      `rm -r /all/part; ln -s ${secret} /all/part`,
    );
    assertStringIncludes(
      await refusal(`${host}/one`, "shares:/part"),
      `Cannot open "${folder}/shared/part"`,
    );
    assertEquals(list(secret), { file: "host's" });
    const flags = ["--rm", "--network", "none", "-v", `${folder}/none:/x`];
    assertEquals(await ckit(["run", ...flags, IMAGE, "true"], options), {
      code: 125,
      stdout: "",
      stderr: `ckit: Cannot bind "${folder}/none" to "/x": it is not there\n`,
    });
    // What is a link there stays one here.
    await cp("up:/absolute", `${host}/copied`);
    assertEquals(Deno.readLinkSync(`${host}/copied`), secret);
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit cp reaches volumes, and refuses what is read-only or seen in the container only",
  async () => {
    await using box = await setUp();
    const { call, cp, refusal, make, host, folder } = await setUpFiles(box);
    Deno.mkdirSync(`${folder}/bound/inner`, { recursive: true });
    await make(
      "vol",
      "--read-only",
      ...["-v", "data:/data"],
      ...["-v", `${folder}/bound:/data/bound`],
      ...["-v", `${host}:/ro:ro`],
      ...["--tmpfs", "/scratch"],
      IMAGE,
      ...["sh", "-c", "ln -s /data/bound/inner /data/link; sleep 1000"],
    );
    await cp(`${host}/one`, "vol:/data");
    await cp(`${host}/tree`, "vol:/data/link/");
    assertEquals(await call("exec", "vol", "cat", "/data/one"), "1");
    assertEquals(list(`${folder}/bound/inner`), below("tree", TREE));
    await cp("vol:/data/bound/inner/tree", `${host}/again`);
    await cp("vol:/ro/one", `${host}/two`);
    assertEquals(Deno.readTextFileSync(`${host}/two`), "1");
    await cp("vol:/etc/hosts", `${host}/hosts`);
    assertStringIncludes(Deno.readTextFileSync(`${host}/hosts`), "localhost");
    assertEquals(list(`${host}/again`), TREE);
    for (
      const [path, why] of [
        ["/new", "it is read-only"],
        ["/ro/new", "it is read-only"],
        ["/etc/hosts", "it is mounted there"],
        ["/scratch/new", 'the tmpfs on "/scratch" is seen in the container'],
        ["/dev/shm/new", 'the tmpfs on "/dev" is seen in the container'],
      ]
    ) {
      assertStringIncludes(await refusal(`${host}/one`, `vol:${path}`), why!);
    }
    await call("rm", "-f", "vol");
    await call("volume", "rm", "data");
  },
  need("runc", "busybox"),
);
