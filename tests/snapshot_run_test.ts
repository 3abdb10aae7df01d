import { assertEquals } from "@std/assert";
import { mount } from "@containerkit/mount";
import {
  openOverlay,
  type OpenSnapshotterOptions,
  openTarindex,
  type Snapshotter,
  unpack,
} from "@containerkit/snapshot";
import { openBtrfs } from "@containerkit/snapshot/btrfs";
import { openImage } from "@containerkit/snapshot/image";
import { openNative } from "@containerkit/snapshot/native";
import { makeLayer } from "./faults/_snapshot_world.ts";
import { need, program, rootTest, runProgram, tempDir } from "./mod.ts";

const DRIVERS: Readonly<
  Record<string, (options: OpenSnapshotterOptions) => Promise<Snapshotter>>
> = {
  overlay: openOverlay,
  tarindex: openTarindex,
  native: openNative,
  btrfs: openBtrfs,
  image: (options) => openImage({ ...options, size: 64 << 20 }),
};

/** The least that runc takes. */
function configFor(rootfs: string, args: readonly string[]): object {
  const namespaces = ["pid", "mount", "ipc", "uts"];
  return {
    ociVersion: "1.0.2",
    process: { cwd: "/", user: { uid: 0, gid: 0 }, args, env: ["PATH=/bin"] },
    root: { path: rootfs, readonly: false },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: { namespaces: namespaces.map((type) => ({ type })) },
  };
}

/** Mounts a new btrfs, in a file beside. */
async function btrfsAt(target: string): Promise<AsyncDisposable> {
  const source = `${target}.image`;
  await runProgram("truncate", ["-s", "256M", source]);
  await runProgram(program("mkfs.btrfs")!, ["-q", source]);
  return await mount({ type: "image", source, fstype: "btrfs" }, target);
}

for (const [driver, open] of Object.entries(DRIVERS)) {
  rootTest(
    `${driver}: runc runs a program from a layer, and what it writes becomes one`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      const { path } = temp;
      const root = `${path}/root`;
      Deno.mkdirSync(root);
      await using _disk = driver === "btrfs" ? await btrfsAt(root) : undefined;
      await using store = await open({ root });
      const layer = makeLayer(
        {
          "bin/busybox": await Deno.readFile("/bin/busybox"),
          "proc/.keep": new Uint8Array(),
        },
        { mode: 0o755 },
      );
      const { chainId } = await unpack([layer], store);
      const bundle = `${path}/bundle`;
      const rootfs = `${bundle}/rootfs`;
      Deno.mkdirSync(rootfs, { recursive: true });
      {
        await using work = await store.prepare("work", chainId);
        {
          await using _mounted = await mount(work.mounts, rootfs);
          const script = "echo written > /out && cat /out";
          const args = [
            "/bin/busybox",
            "sh",
            "-c",
            script.replaceAll("cat", "busybox cat"),
          ];
          Deno.writeTextFileSync(
            `${bundle}/config.json`,
            JSON.stringify(configFor(rootfs, args)),
          );
          const id = `containerkit-${crypto.randomUUID().slice(0, 8)}`;
          const output = await runProgram(program("runc")!, [
            "--root",
            `${path}/runc`,
            "run",
            "--bundle",
            bundle,
            id,
          ]);
          assertEquals(output, "written\n");
        }
        await work.commit("result");
      }
      await using view = await store.view("view", "result");
      await using _mounted = await mount(view.mounts, rootfs);
      assertEquals(Deno.readTextFileSync(`${rootfs}/out`), "written\n");
    },
    need("runc", "busybox", ...driver === "btrfs" ? ["mkfs.btrfs"] : []),
  );
}
