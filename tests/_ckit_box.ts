import { prctl, PrctlOption } from "@containerkit/libc";
import { assertEquals } from "@std/assert";
import { exportArchive } from "@containerkit/distribution/archive";
import { packImage } from "@containerkit/distribution/pack";
import { createMemoryStore } from "@containerkit/distribution/registry";
import { ckit } from "./ckit.ts";
import { makeBusyboxRootfs } from "./busybox_rootfs.ts";
import { tempDir } from "./temp_dir.ts";
import { until } from "./until.ts";

/** The name of the image. */
export const IMAGE = "example.org/box:1";

/** A folder of ckit's with an image of busybox in it. */
export async function setUp() {
  // A shell, unlike the tests of this process that ran containers, gets no orphans to reap.
  prctl(PrctlOption.SET_CHILD_SUBREAPER, 0);
  const temp = tempDir();
  const rootfs = `${temp.path}/rootfs`;
  Deno.mkdirSync(rootfs);
  makeBusyboxRootfs(rootfs);
  const tar = new Deno.Command("tar", {
    args: ["-c", "-C", rootfs, "."],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const store = createMemoryStore();
  const { descriptor } = await packImage(store, {
    layers: [{ archive: tar.stdout }],
    config: { Cmd: ["sh"], Env: ["PATH=/bin"] },
  });
  await tar.status;
  const archive = `${temp.path}/image.tar`;
  await exportArchive(store, [{ descriptor, names: [IMAGE] }])
    .pipeTo((await Deno.create(archive)).writable);
  const options = { folder: temp.path };
  const call = async (...args: string[]) => {
    const { code, stdout, stderr } = await ckit(args, options);
    assertEquals([code, stderr], [0, ""], `ckit ${args.join(" ")}`);
    return stdout.trimEnd();
  };
  await call("import", archive);
  /** Waits for the monitor of the folder: it ends a little after the last container. */
  const end = () =>
    until(
      "the end of the monitor",
      () =>
        [...Deno.readDirSync("/proc")].every(({ name }) => {
          try {
            return !Deno.readTextFileSync(`/proc/${name}/cmdline`)
              .includes(temp.path);
          } catch {
            return true;
          }
        }),
    );
  return {
    folder: temp.path,
    options,
    call,
    async [Symbol.asyncDispose]() {
      // Those that a test that failed has left.
      const left = (await call("ps", "-aq")).split("\n").filter(Boolean);
      if (left.length > 0) await call("rm", "-f", ...left);
      await end();
      temp[Symbol.dispose]();
    },
  };
}
