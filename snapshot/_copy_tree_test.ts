import { assert, assertEquals, assertRejects } from "@std/assert";
import { getXattr, setXattr } from "@containerkit/libc";
import { mount } from "@containerkit/mount";
import {
  describeTree,
  need,
  rootTest,
  runProgram,
  tempDir,
} from "@containerkit/tests";
import { copyTree } from "./_copy_tree.ts";
import { measureTree } from "./_usage.ts";

/** Copies what a script makes, and gives both trees. */
async function copied(
  temp: string,
  script: string,
): Promise<{ from: string; to: string }> {
  const [from, to] = [`${temp}/from`, `${temp}/to`];
  Deno.mkdirSync(from);
  await runProgram("sh", ["-euc", script], { cwd: from });
  await copyTree(from, to, undefined);
  assertEquals(await describeTree(to), await describeTree(from));
  return { from, to };
}

function blocksOf(path: string): number {
  return Deno.lstatSync(path).blocks ?? 0;
}

rootTest("copyTree() D10 copies folders, links and empty files", async () => {
  await using temp = tempDir({ dir: "/var/tmp" });
  await copied(
    temp.path,
    `mkdir -p a/b/c; echo hi > a/b/f; : > empty; chmod 4711 a/b/f; chmod 1777 a; ln -s b a/local; ln -s /etc/passwd a/b/out
     chown -R 7:8 a/b; touch -h -d @1000.5 a/local a/b/f a/b a`,
  );
});

rootTest(
  "copyTree() D10 keeps hard links, of links and devices too",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    await copied(
      temp.path,
      "echo 1 > a; ln a b; mkdir d; ln a d/c; ln -s a s; ln s d/s; mknod n c 1 3; ln n d/n",
    );
  },
);

rootTest(
  "copyTree() lets others work among many files in one folder, and ends with its signal",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const from = `${temp.path}/from`;
    Deno.mkdirSync(from);
    for (let number = 0; number < 3000; number++) {
      Deno.writeTextFileSync(`${from}/${number}`, "a");
    }
    const stopped = new AbortController();
    setTimeout(() => stopped.abort(), 0);
    await assertRejects(
      () => copyTree(from, `${temp.path}/to`, stopped.signal),
      DOMException,
    );
  },
);

rootTest("copyTree() D10 copies irregular files", async () => {
  await using temp = tempDir({ dir: "/var/tmp" });
  const listener = { path: `${temp.path}/from/socket` };
  Deno.mkdirSync(`${temp.path}/from`);
  Deno.listen({ transport: "unix", path: listener.path }).close();
  await runProgram("sh", [
    "-euc",
    "mkfifo -m 640 p; mknod c c 1 3; mknod b b 7 300; chown 3:4 p c b",
  ], { cwd: `${temp.path}/from` });
  await copyTree(`${temp.path}/from`, `${temp.path}/to`, undefined);
  assertEquals(
    await describeTree(`${temp.path}/to`),
    await describeTree(`${temp.path}/from`),
  );
});

rootTest("copyTree() D10 keeps every attribute that may be kept", async () => {
  await using temp = tempDir({ dir: "/var/tmp" });
  const from = `${temp.path}/from`;
  Deno.mkdirSync(from);
  await runProgram("sh", ["-euc", "echo 1 > f; mkdir d; ln -s f l"], {
    cwd: from,
  });
  const value = new Uint8Array([0, 255, 10, 61]);
  for (const path of [`${from}/f`, `${from}/d`, from]) {
    setXattr(path, "user.binary", value);
    setXattr(path, "trusted.note", value);
  }
  const capability = new Uint8Array(20);
  capability[3] = 2;
  setXattr(`${from}/f`, "security.capability", capability);
  await copyTree(from, `${temp.path}/to`, undefined);
  assertEquals(await describeTree(`${temp.path}/to`), await describeTree(from));
});

rootTest(
  "copyTree() lets nothing inherit the default ACL of a directory",
  async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const [from, to] = [`${temp.path}/from`, `${temp.path}/to`];
    Deno.mkdirSync(from);
    const script =
      "mkdir -p d/e; echo 1 > d/f; truncate -s 2M d/big; echo 1 > f";
    await runProgram("sh", ["-euc", script], { cwd: from });
    const none = 0xffff_ffff;
    const entries = [
      [0x01, 7, none],
      // Of the user 1000.
      [0x02, 7, 1000],
      [0x04, 0, none],
      [0x10, 7, none],
      [0x20, 0, none],
    ] as const;
    const acl = new DataView(new ArrayBuffer(4 + 8 * entries.length));
    acl.setUint32(0, 2, true);
    entries.forEach(([tag, permissions, id], index) => {
      acl.setUint16(4 + 8 * index, tag, true);
      acl.setUint16(6 + 8 * index, permissions, true);
      acl.setUint32(8 + 8 * index, id, true);
    });
    for (const path of [temp.path, from, `${from}/d`]) {
      setXattr(path, "system.posix_acl_default", new Uint8Array(acl.buffer));
    }
    await copyTree(from, to, undefined);
    for (const name of ["d/f", "d/big", "d/e", "f", "."]) {
      const path = `${to}/${name}`;
      assertEquals(getXattr(path, "system.posix_acl_access"), undefined, name);
    }
    assertEquals(await describeTree(to), await describeTree(from));
  },
);

const MIB = 1 << 20;
/** Where there is data, in bytes from and to; the rest is a hole. */
const SPARSE: Readonly<Record<string, readonly (readonly [number, number])[]>> =
  {
    "nothing but a hole": [],
    "data, then a hole": [[0, MIB]],
    "a hole, then data": [[3 * MIB, 4 * MIB]],
    "a hole between data": [[0, 4096], [4 * MIB - 4096, 4 * MIB]],
    "data between holes": [[2 * MIB, 2 * MIB + 65536]],
    "many small pieces": Array.from(
      { length: 16 },
      (_, piece) => [piece * 262144, piece * 262144 + 4096] as const,
    ),
    "a small file": [[65536, 65540]],
  };

for (const [name, ranges] of Object.entries(SPARSE)) {
  rootTest(`copyTree() D10 keeps holes: ${name}`, async () => {
    await using temp = tempDir({ dir: "/var/tmp" });
    const [from, to] = [`${temp.path}/from`, `${temp.path}/to`];
    Deno.mkdirSync(from);
    {
      using file = Deno.createSync(`${from}/f`);
      for (const [start, end] of ranges) {
        file.seekSync(start, Deno.SeekMode.Start);
        file.writeSync(new Uint8Array(end - start).fill(start % 251 + 1));
      }
      file.truncateSync(name === "a small file" ? 524288 : 4 * MIB);
      file.syncSync();
    }
    await copyTree(from, to, undefined);
    assertEquals(await describeTree(to), await describeTree(from));
    await runProgram("sync", ["-f", to]);
    assert(
      blocksOf(`${to}/f`) <= blocksOf(`${from}/f`) + 16,
      `${blocksOf(`${to}/f`)} blocks instead of ${blocksOf(`${from}/f`)}`,
    );
  });
}

for (const fstype of ["xfs", "btrfs"] as const) {
  rootTest(
    `copyTree() D10 shares the blocks of ${fstype}`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      const source = `${temp.path}/disk`;
      const path = `${temp.path}/fs`;
      Deno.mkdirSync(path);
      await runProgram("truncate", ["-s", "400M", source]);
      await runProgram(`mkfs.${fstype}`, ["-q", source]);
      await using _mounted = await mount(
        { type: "image", source, fstype },
        path,
      );
      Deno.mkdirSync(`${path}/from`);
      const bytes = new Uint8Array(32 * MIB).map((_, at) => at >> 8);
      Deno.writeFileSync(`${path}/from/large`, bytes);
      Deno.writeFileSync(`${path}/from/small`, bytes.subarray(0, 8192));
      await runProgram("sync", ["-f", path]);
      const used = async () =>
        Number(
          (await runProgram("df", ["--output=used", "-B1", path]))
            .split("\n")[1],
        );
      const before = await used();
      await copyTree(`${path}/from`, `${path}/to`, undefined);
      await runProgram("sync", ["-f", path]);
      const more = await used() - before;
      assert(more < 8 * MIB, `the copy takes ${more} bytes`);
      assertEquals(
        await describeTree(`${path}/to`),
        await describeTree(`${path}/from`),
      );
    },
    need(`mkfs.${fstype}`),
  );
}

rootTest("copyTree() D10 is aborted, and says so", async () => {
  await using temp = tempDir({ dir: "/var/tmp" });
  Deno.mkdirSync(`${temp.path}/from`);
  Deno.writeTextFileSync(`${temp.path}/from/f`, "1");
  const reason = new Error("enough");
  const found = await copyTree(
    `${temp.path}/from`,
    `${temp.path}/to`,
    AbortSignal.abort(reason),
  ).catch((error) => error);
  assertEquals(found, reason);
});

rootTest("measureTree() D10 counts as du(1) does", async () => {
  await using temp = tempDir({ dir: "/var/tmp" });
  const { path } = temp;
  const script = `
    mkdir -p a/b c; head -c 100000 /dev/zero > a/f; ln a/f a/g; ln a/f c/h; ln -s f a/l; : > a/empty
    truncate -s 10M a/sparse; printf x >> a/sparse; mkfifo a/p
  `;
  await runProgram("sh", ["-euc", script], { cwd: path });
  await runProgram("sync", ["-f", path]);
  const [size = ""] = (await runProgram("du", ["-s", "-B1", path])).split("\t");
  const [inodes = ""] = (await runProgram("du", ["-s", "--inodes", path]))
    .split("\t");
  assertEquals(await measureTree(path), {
    size: Number(size),
    inodes: Number(inodes),
  });
});
