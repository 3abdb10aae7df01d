import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mount } from "@containerkit/mount";
import {
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
  withCrunsCgroups,
} from "@containerkit/tests";
import {
  createSpec,
  type CreateSpecOptions,
  run,
  RuntimeError,
} from "./mod.ts";

const RANGE = { container: 0, host: 200_000, size: 65_536 };
const decoder = new TextDecoder();

/** A folder with a root filesystem that other ids may look into. */
function makeBench() {
  const temp = tempDir();
  Deno.chmodSync(temp.path, 0o711);
  const rootfs = `${temp.path}/rootfs`;
  Deno.mkdirSync(rootfs);
  makeBusyboxRootfs(rootfs);
  Deno.chmodSync(`${rootfs}/tmp`, 0o1777);
  return {
    folder: temp.path,
    rootfs,
    async run(
      script: string,
      options: Partial<CreateSpecOptions> & { command: string },
    ) {
      const { command, ...more } = options;
      const spec = await createSpec({}, {
        rootfs,
        args: ["sh", "-c", script],
        seccomp: "unconfined",
        ...more,
      });
      return await run("a", spec, {
        state: `${temp.path}/state`,
        runtime: { command },
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      });
    },
    [Symbol.dispose]: () => temp[Symbol.dispose](),
  };
}

for (const command of ["runc", "crun"]) {
  rootTest(
    `run() in a user namespace on ${command}: ids, files and streams are the container's`,
    () =>
      withCrunsCgroups(async () => {
        using bench = makeBench();
        const ranges = [{ inside: 0, outside: RANGE.host, size: RANGE.size }];
        const target = `${bench.folder}/mapped`;
        Deno.mkdirSync(target);
        await using _mapped = await mount({
          type: "bind",
          source: bench.rootfs,
          idmap: { uids: ranges, gids: ranges },
        }, target);
        const script =
          "id -u; cat /proc/self/uid_map; echo reopened >/dev/stdout; touch /tmp/made; stat -c %u:%g /tmp/made; read line; exit 4";
        await using container = await bench.run(script, {
          command,
          rootfs: target,
          user: "web",
          userns: { uids: [RANGE], gids: [RANGE] },
        });
        // Further processes have streams of their own.
        await using process = await container.exec(
          ["sh", "-c", "id -u; echo again >/dev/stdout"],
          { stdout: "piped", stderr: "inherit", user: "0" },
        );
        assertEquals(
          decoder.decode((await process.output()).stdout),
          "0\nagain\n",
        );
        await container.stdin.close();
        const { stdout, code } = await container.output();
        assertMatch(
          decoder.decode(stdout),
          /^33\n +0 +200000 +65536\nreopened\n33:34\n$/,
        );
        assertEquals(code, 4);
        const { uid, gid } = Deno.statSync(`${bench.rootfs}/tmp/made`);
        assertEquals([uid, gid], [33, 34]);
      }),
    need(command, "busybox"),
  );
}

rootTest(
  "run() shows what the image has on /run",
  async () => {
    using bench = makeBench();
    Deno.mkdirSync(`${bench.rootfs}/run/db`, { mode: 0o777 });
    Deno.writeTextFileSync(`${bench.rootfs}/run/db/file`, "of the image");
    await using container = await bench.run(
      "cat /run/db/file && echo > /run/db/lock",
      { command: "runc" },
    );
    const { code, stdout } = await container.output();
    assertEquals([code, decoder.decode(stdout)], [0, "of the image"]);
  },
  need("runc", "busybox"),
);

rootTest(
  "run() gives a container on crun clocks of its own; runc says that it cannot",
  () =>
    withCrunsCgroups(async () => {
      using bench = makeBench();
      const year = 31_536_000;
      const options = { timeOffsets: { boottime: year, monotonic: 1000 } };
      const own = Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]);
      {
        await using container = await bench.run(
          "cat /proc/uptime /proc/self/timens_offsets",
          { command: "crun", ...options, namespaces: { pid: "host" } },
        );
        const text = decoder.decode((await container.output()).stdout);
        const [uptime] = text.split(" ");
        assertEquals(Math.floor((Number(uptime) - own) / year), 1, text);
        assertMatch(text, /^monotonic +1000 +0$/m);
      }
      // This crun not together with new process ids, runc from 1.2 on.
      for (const command of ["crun", "runc"]) {
        const error = await assertRejects(
          () => bench.run("true", { command, ...options }),
          RuntimeError,
          `Cannot create container "a": the runtime "${command}" does not say that it supports time namespaces`,
        );
        assertEquals(error.code, "NotSupported");
      }
    }),
  need("runc", "crun", "busybox"),
);

rootTest(
  "run() says of runtimes that cannot move interfaces in, or map the ids of mounts",
  () =>
    withCrunsCgroups(async () => {
      using bench = makeBench();
      for (const command of ["runc", "crun"]) {
        for (
          const [options, what] of [
            [{ netDevices: { veth0: "eth0" } }, "moving interfaces in"],
            [{
              userns: { uids: [RANGE], gids: [RANGE] },
              mounts: [{
                destination: "/mnt",
                mount: {
                  type: "bind",
                  source: "/tmp",
                  idmap: {
                    uids: [{ inside: 0, outside: 1, size: 1 }],
                    gids: [{ inside: 0, outside: 1, size: 1 }],
                  },
                },
              }],
            }, "mounts with mapped ids"],
          ] as const
        ) {
          const error = await assertRejects(
            () => bench.run("true", { command, ...options }),
            RuntimeError,
            `Cannot create container "a": the runtime "${command}" does not say that it supports ${what}`,
          );
          assertEquals(error.code, "NotSupported");
        }
      }
    }),
  need("runc", "crun", "busybox"),
);

rootTest(
  "run() in a user namespace names the folder that its root cannot enter",
  async () => {
    using bench = makeBench();
    Deno.chmodSync(bench.folder, 0o700);
    const ranges = [{ inside: 0, outside: RANGE.host, size: RANGE.size }];
    Deno.mkdirSync(`${bench.folder}/seen`);
    await using seen = await mount({
      type: "bind",
      source: bench.rootfs,
      idmap: { uids: ranges, gids: ranges },
    }, `${bench.folder}/seen`);
    const error = await assertRejects(
      () =>
        bench.run("true", {
          command: "runc",
          rootfs: seen.target,
          userns: { uids: [RANGE], gids: [RANGE] },
        }),
      RuntimeError,
      `its root is user 200000 of the host, who cannot enter "${bench.folder}": its mode is 700`,
    );
    assertEquals(error.runtime.endsWith("runc"), true);
  },
  need("runc", "busybox"),
);

rootTest(
  "run() in a user namespace says that its network namespace has to be its own",
  async () => {
    using bench = makeBench();
    const ranges = [{ inside: 0, outside: RANGE.host, size: RANGE.size }];
    Deno.mkdirSync(`${bench.folder}/seen`);
    await using seen = await mount({
      type: "bind",
      source: bench.rootfs,
      idmap: { uids: ranges, gids: ranges },
    }, `${bench.folder}/seen`);
    for (const netns of ["/proc/self/ns/net", "host"]) {
      const error = await assertRejects(
        () =>
          bench.run("true", {
            command: "runc",
            rootfs: seen.target,
            userns: { uids: [RANGE], gids: [RANGE] },
            netns,
          }),
        RuntimeError,
        "its network namespace does not belong to its user namespace: let the runtime make it",
      );
      assertEquals(error.runtime.endsWith("runc"), true);
    }
  },
  need("runc", "busybox"),
);
