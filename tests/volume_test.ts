import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { createSpec, run } from "@containerkit/execution";
import { SyscallError } from "@containerkit/libc";
import { mount } from "@containerkit/mount";
import { openVolumes } from "@containerkit/volume";
import { shellWith } from "./_volume_container.ts";
import { makeBusyboxRootfs, need, rootTest, tempDir, until } from "./mod.ts";

const MIB = 1024 * 1024;

rootTest(
  "a container writes through a volume of any kind that every host has, and the limit holds",
  async (t) => {
    await using temp = tempDir();
    makeBusyboxRootfs(`${temp.path}/rootfs`);
    await using volumes = await openVolumes({
      root: temp.path,
      state: `${temp.path}/run`,
    });
    const sh = shellWith(volumes, temp.path);
    for (const kind of ["dir", "image", "tmpfs"] as const) {
      await t.step(kind, async () => {
        const limited = kind !== "dir";
        await volumes.create(kind, {
          kind,
          ...(limited ? { size: 16 * MIB } : {}),
        });
        assertEquals(await sh(kind, "echo kept > /data/file"), {
          code: 0,
          output: "",
        });
        assertEquals((await sh(kind, "cat /data/file")).output, "kept\n");
        if (!limited) return;
        const { code, output } = await sh(
          kind,
          "dd if=/dev/zero of=/data/big bs=1M count=32",
        );
        assert(code !== 0, output);
        assertStringIncludes(output, "No space left on device");
      });
    }
    await volumes.prune();
  },
  need("runc", "busybox", "mkfs.ext4"),
);

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

rootTest(
  "a volume is attached to a container that runs, and detached from it",
  async (t) => {
    await using temp = tempDir();
    makeBusyboxRootfs(`${temp.path}/rootfs`);
    await Deno.mkdir(`${temp.path}/rootfs/data`);
    const state = `${temp.path}/run`;
    await using volumes = await openVolumes({ root: temp.path, state });
    // Whoever looks at the volume itself sees what the container does to it.
    for (const kind of ["dir", "image", "tmpfs"] as const) {
      await t.step(kind, async () => {
        const name = `hot-${kind}`;
        await volumes.create(name, {
          kind,
          ...(kind === "dir" ? {} : { size: 16 * MIB }),
        });
        await using look = await volumes.attach(name);
        const at = await Deno.makeTempDir({ dir: temp.path });
        await using _shown = await mount(look.mounts, at);
        await Deno.writeTextFile(`${at}/go`, "");
        const spec = await createSpec({}, {
          rootfs: `${temp.path}/rootfs`,
          args: [
            "/bin/busybox",
            "sh",
            "-c",
            `wait() { while "$@"; do /bin/busybox usleep 10000; done; }
             wait [ ! -e /data/go ]
             echo seen > /data/seen
             wait [ -e /data/go ]
             wait [ ! -e /data/go ]
             cd /data
             echo held > /data/held
             wait [ -e /data/go ]
             echo late > late`,
          ],
        });
        await using container = await run(name, spec, { state });
        const place = { process: container.pid, target: "/data" };
        {
          await using use = await volumes.attachIn(name, place);
          assertEquals(use.mounts.length, 1);
          await until("seen", () => exists(`${at}/seen`));
          await assertRejects(
            () => volumes.remove(name),
            Deno.errors.Busy,
            `process ${container.pid}, which has it on "/data"`,
          );
        }
        await assertRejects(
          () => volumes.detachFrom(place),
          Deno.errors.NotFound,
        );
        (await volumes.attachIn(name, place)).keep();
        await until("held", () => exists(`${at}/held`));
        await assertRejects(
          () => volumes.detachFrom(place),
          Deno.errors.Busy,
          `used by process ${container.pid} (busybox)`,
        );
        const written = { ...place, target: `${place.target}/.//` };
        await volumes.detachFrom(written, { lazy: true });
        // Out of the tree at once, while who uses it keeps it.
        assertEquals((await container.status).code, 0);
        assertEquals(exists(`${at}/late`), true);
        assertEquals(exists(`${temp.path}/rootfs/data/late`), false);
      });
    }
    await volumes.prune();
    assertEquals(volumes.list(), []);
  },
  need("runc", "busybox", "mkfs.ext4"),
);

rootTest("what is attached hot ends with its container", async () => {
  await using temp = tempDir();
  makeBusyboxRootfs(`${temp.path}/rootfs`);
  await Deno.mkdir(`${temp.path}/rootfs/data`);
  const state = `${temp.path}/run`;
  await using volumes = await openVolumes({ root: temp.path, state });
  await volumes.create("data", { kind: "image", size: 16 * MIB });
  const spec = await createSpec({}, {
    rootfs: `${temp.path}/rootfs`,
    args: ["/bin/busybox", "sleep", "1000"],
  });
  {
    await using container = await run("volume-end", spec, { state });
    await assertRejects(
      () =>
        volumes.attachIn("data", { process: container.pid, target: "/none" }),
      SyscallError,
      "ENOENT",
    );
    const use = await volumes.attachIn("data", {
      process: container.pid,
      target: "/data",
    });
    use.keep();
    container.kill("SIGKILL");
    await container.status;
  }
  await volumes.remove("data");
}, need("runc", "busybox", "mkfs.ext4"));
