import { assertEquals, assertStringIncludes } from "@std/assert";
import { openStore } from "@containerkit/content";
import { push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { createRegistry } from "@containerkit/distribution/registry";
import { mount } from "@containerkit/mount";
import { ckit, need, program, rootTest, runProgram, tempDir } from "./mod.ts";

const DRIVERS = ["overlay", "tarindex", "native", "btrfs", "image"];

/** A folder on btrfs. */
async function onBtrfs(
  path: string,
): Promise<{ path: string } & AsyncDisposable> {
  const source = `${path}/disk`;
  const target = `${path}/fs`;
  Deno.mkdirSync(target);
  await runProgram("truncate", ["-s", "1G", source]);
  await runProgram("mkfs.btrfs", ["-q", source]);
  const mounted = await mount(
    { type: "image", source, fstype: "btrfs" },
    target,
  );
  return {
    path: target,
    [Symbol.asyncDispose]: () => mounted[Symbol.asyncDispose](),
  };
}

for (const driver of DRIVERS) {
  rootTest(
    `ckit --snapshotter ${driver} pulls, runs, lists, verifies, repairs and checks`,
    async () => {
      await using temp = tempDir({ dir: "/var/tmp" });
      await using disk = driver === "btrfs"
        ? await onBtrfs(temp.path)
        : undefined;
      const folder = disk?.path ?? temp.path;
      using origin = await openStore({ root: `${temp.path}/origin` });
      await using registry = createRegistry({ store: origin });
      await using server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        registry,
      );
      const reference = `127.0.0.1:${server.addr.port}/base:1`;
      const busybox = program("busybox")!;
      const tar = new Deno.Command("tar", {
        args: ["-c", "-C", "/", busybox.slice(1)],
        stdin: "null",
        stdout: "piped",
      }).spawn();
      const image = await packImage(origin, {
        layers: [{ archive: tar.stdout }],
        config: { Entrypoint: [busybox] },
      });
      await tar.status;
      await push(image, reference);
      const call = async (...args: string[]) => {
        const { code, stdout, stderr } = await ckit(args, { folder });
        assertEquals(code, 0, `ckit ${args.join(" ")}: ${stderr}`);
        return stdout;
      };
      const of = ["--snapshotter", driver];
      await call("pull", ...of, reference);
      const written = await call(
        "run",
        "--name",
        "one",
        ...of,
        reference,
        "sh",
        "-c",
        `${busybox} echo written >/out; ${busybox} cat /out`,
      );
      assertEquals(written, "written\n");
      const { diffId } = image.layers[0]!;
      const list = await call("snapshot", "ls", ...of);
      assertStringIncludes(list, diffId);
      assertStringIncludes(await call("snapshot", "usage", ...of), diffId);
      await call("snapshot", "verify", ...of, diffId);
      await call("rm", "one");
      await call("snapshot", "repair", ...of, diffId);
      await call("snapshot", "fsck", ...of);
      await call("snapshot", "rm", ...of, diffId);
      assertEquals(
        (await call("snapshot", "ls", ...of)).includes(diffId),
        false,
      );
    },
    need("runc", "busybox", ...(driver === "btrfs" ? ["mkfs.btrfs"] : [])),
  );
}
