import { assertEquals } from "@std/assert";
import { createSpec, run } from "@containerkit/execution";
import { open } from "@containerkit/mount";
import { openVolumes } from "@containerkit/volume";
import { need, program, rootTest, runProgram, tempDir } from "./mod.ts";

const MIB = 1024 * 1024;

async function makeRootfs(path: string): Promise<void> {
  await Deno.mkdir(`${path}/bin`, { recursive: true });
  await Deno.copyFile(program("busybox")!, `${path}/bin/busybox`);
  await runProgram("chmod", ["755", `${path}/bin/busybox`]);
}

rootTest(
  "a container writes through each kind of volume, and the limit holds",
  async (t) => {
    await using temp = tempDir();
    await makeRootfs(`${temp.path}/rootfs`);
    await using volumes = await openVolumes({
      root: temp.path,
      state: `${temp.path}/run`,
    });
    let number = 0;
    const sh = async (name: string, script: string): Promise<number> => {
      await using use = await volumes.attach(name);
      const spec = await createSpec({}, {
        rootfs: `${temp.path}/rootfs`,
        args: ["/bin/busybox", "sh", "-c", script],
        mounts: use.mounts.map((mount) => ({ destination: "/data", mount })),
      });
      await using container = await run(`volume-${number++}`, spec, {
        state: `${temp.path}/run`,
        stderr: "null",
      });
      return (await container.status).code;
    };
    for (const kind of ["dir", "image", "tmpfs"] as const) {
      await t.step(kind, async () => {
        const limited = kind !== "dir";
        await volumes.create(kind, {
          kind,
          ...(limited ? { size: 16 * MIB } : {}),
        });
        assertEquals(await sh(kind, "echo kept > /data/file"), 0);
        assertEquals(
          await sh(kind, '[ "$(/bin/busybox cat /data/file)" = kept ]'),
          0,
        );
        if (!limited) return;
        const fill = "/bin/busybox dd if=/dev/zero of=/data/big bs=1M count=32";
        assertEquals(await sh(kind, fill) === 0, false);
      });
    }
    await volumes.prune();
  },
  need("runc", "busybox", "mkfs.ext4"),
);

rootTest("a volume is attached to a container that runs", async () => {
  await using temp = tempDir();
  await makeRootfs(`${temp.path}/rootfs`);
  await Deno.mkdir(`${temp.path}/rootfs/data`);
  await using volumes = await openVolumes({
    root: temp.path,
    state: `${temp.path}/run`,
  });
  await volumes.create("data");
  await volumes.populate(
    "data",
    (root) => Deno.writeTextFile(`${root}/go`, ""),
  );
  const spec = await createSpec({}, {
    rootfs: `${temp.path}/rootfs`,
    args: [
      "/bin/busybox",
      "sh",
      "-c",
      "until [ -e /data/go ]; do /bin/busybox usleep 10000; done; echo seen > /data/seen",
    ],
  });
  await using container = await run("volume-hot", spec, {
    state: `${temp.path}/run`,
  });
  await using use = await volumes.attach("data");
  {
    using tree = await open(use.mounts[0]!);
    await tree.attachIn(container.pid, "/data");
  }
  assertEquals((await container.status).code, 0);
  assertEquals(
    await Deno.readTextFile(`${temp.path}/volumes/data/1/data/seen`),
    "seen\n",
  );
}, need("runc", "busybox"));
