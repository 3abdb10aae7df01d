/** The examples, run as a user runs them. What they pull comes from a registry on loopback. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openStore } from "@containerkit/content";
import { openImage, pull, push } from "@containerkit/distribution";
import { packImage } from "@containerkit/distribution/pack";
import { listContainers } from "@containerkit/execution";
import { createRegistry } from "@containerkit/distribution/registry";
import { diffLayers } from "@containerkit/snapshot";
import {
  freePort,
  makeBusyboxRootfs,
  need,
  rootTest,
  tempDir,
  until,
} from "./mod.ts";

const missing = need("runc", "busybox");

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A registry that has `busybox:1`, and a way to run examples against it. */
async function start(folder: string) {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await openStore({ root: `${folder}/origin` }));
  const registry = stack.use(createRegistry({ store: origin }));
  const server = stack.use(Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    registry,
  ));
  const host = `127.0.0.1:${server.addr.port}`;
  Deno.mkdirSync(`${folder}/rootfs`);
  makeBusyboxRootfs(`${folder}/rootfs`);
  // As images have it. runc 1.1 gives a tmpfs the mode of what it covers.
  Deno.chmodSync(`${folder}/rootfs/tmp`, 0o1777);
  const { readable: archive } = diffLayers(undefined, `${folder}/rootfs`);
  const image = await packImage(origin, {
    layers: [{ archive }],
    config: { Cmd: ["/bin/true"], Env: ["PATH=/bin"] },
  });
  await push(await openImage(origin, image.descriptor), `${host}/busybox:1`);
  const command = (name: string, ...args: string[]) =>
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-prompt",
        new URL(`../examples/${name}.ts`, import.meta.url).pathname,
        ...args,
      ],
      env: {
        CONTAINERKIT_ROOT: `${folder}/lib`,
        CONTAINERKIT_STATE: `${folder}/run`,
        NO_COLOR: "1",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  const held = stack.move();
  return {
    host,
    command,
    async run(name: string, ...args: string[]) {
      const { code, stdout, stderr } = await command(name, ...args).output();
      const text = new TextDecoder();
      return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

rootTest(
  "examples/sandbox.ts runs what it is given, and holds it in every limit",
  async () => {
    await using temp = tempDir();
    await using examples = await start(temp.path);
    const sandbox = async (script: string) =>
      await examples.run(
        "sandbox",
        `${examples.host}/busybox:1`,
        "/bin/sh",
        "-c",
        script,
      );
    const fine = await sandbox("echo hi; id -u; echo no >&2; exit 3");
    assertEquals(fine.stdout, "hi\n65534\n");
    assertStringIncludes(fine.stderr, "no\n");
    assertStringIncludes(fine.stderr, "sandbox: exited with 3");
    assertEquals(fine.code, 3);

    const written = await sandbox(
      "echo a > /a; echo b > /tmp/b; cat /tmp/b; ip addr show eth0",
    );
    assertStringIncludes(written.stdout, "b\n");
    assertStringIncludes(written.stderr, "Read-only file system");
    assertStringIncludes(written.stderr, "can't find device 'eth0'");

    const much = await sandbox("yes");
    assertStringIncludes(much.stderr, "sandbox: wrote too much");
    assertEquals([much.code, much.stdout.length], [137, 1024 * 1024]);

    const large = await sandbox("tail /dev/zero");
    assertStringIncludes(large.stderr, "sandbox: ran out of memory");
  },
  missing,
);

rootTest(
  "examples/build.ts makes an image of a base, a folder and a command",
  async () => {
    await using temp = tempDir();
    await using examples = await start(temp.path);
    Deno.mkdirSync(`${temp.path}/files/app`, { recursive: true });
    Deno.writeTextFileSync(`${temp.path}/files/app/in`, "41");
    const built = await examples.run(
      "build",
      `${examples.host}/busybox:1`,
      `${temp.path}/files`,
      `${examples.host}/built:1`,
      "/bin/sh",
      "-c",
      "echo $(($(cat /app/in) + 1)) > /app/out; rm /app/in",
    );
    assertEquals(built.code, 0, built.stderr);
    assertStringIncludes(built.stdout, `${examples.host}/built:1@sha256:`);
    const ran = await examples.run(
      "sandbox",
      `${examples.host}/built:1`,
      "/bin/sh",
      "-c",
      "cat /app/out; ls /app",
    );
    assertEquals(ran.stdout, "42\nout\n");
    const failed = await examples.run(
      "build",
      `${examples.host}/busybox:1`,
      `${temp.path}/files`,
      `${examples.host}/failed:1`,
      "/bin/false",
    );
    assertEquals(failed.code, 1);
    assertStringIncludes(failed.stderr, "Cannot build: /bin/false exited");
  },
  missing,
);

rootTest(
  "examples/mirror.ts serves what its upstream has, and has it when that is gone",
  async () => {
    await using temp = tempDir();
    const port = freePort();
    const reference = `127.0.0.1:${port}/busybox:1`;
    await using mirror = await (async () => {
      await using examples = await start(temp.path);
      const child = examples.command(
        "mirror",
        examples.host,
        `${temp.path}/mirror`,
        String(port),
      ).spawn();
      await using stack = new AsyncDisposableStack();
      stack.defer(async () => {
        child.kill("SIGTERM");
        const { code, stderr } = await child.output();
        assertEquals(code, 0, new TextDecoder().decode(stderr));
      });
      await until("the mirror answers", async () => {
        const response = await fetch(`http://127.0.0.1:${port}/v2/`)
          .catch(() => undefined);
        await response?.body?.cancel();
        return response?.ok;
      });
      using first = await openStore({ root: `${temp.path}/first` });
      await pull(reference, first);
      const held = stack.move();
      return { [Symbol.asyncDispose]: () => held.disposeAsync() };
    })();
    assert(mirror);
    // The upstream has ended with its block.
    using second = await openStore({ root: `${temp.path}/second` });
    const { layers } = await pull(reference, second);
    assertEquals(layers.length, 1);
  },
  missing,
);

rootTest(
  "examples/agent.ts keeps what is described running, also when it is killed itself",
  async () => {
    await using temp = tempDir();
    await using examples = await start(temp.path);
    const folder = `${temp.path}/services`;
    const state = `${temp.path}/run`;
    Deno.mkdirSync(folder);
    const describe = (script: string) =>
      Deno.writeTextFileSync(
        `${folder}/web.json`,
        JSON.stringify({
          image: `${examples.host}/busybox:1`,
          args: [
            "/bin/sh",
            "-c",
            `trap exit TERM; ${script}; while :; do sleep 0.1; done`,
          ],
        }),
      );
    const pids = () =>
      listContainers({ state }).filter((one) => one.state === "running")
        .map(({ pid }) => pid);
    const runsAnew = (before?: number) =>
      until(
        "another container runs",
        () => pids().some((pid) => pid !== before),
      ).then(() => pids()[0]!);
    describe("echo one");
    const killed = examples.command("agent", folder).spawn();
    const first = await runsAnew();
    killed.kill("SIGKILL");
    await killed.output();

    const agent = examples.command("agent", folder).spawn();
    await using stack = new AsyncDisposableStack();
    stack.defer(async () => {
      agent.kill("SIGTERM");
      const { code, stderr } = await agent.output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    });
    // It is taken over, and started again when it ends.
    Deno.writeTextFileSync(`${folder}/other.json`, "half a desc");
    await until("the folder is looked at", () => exists(`${state}/agent.lock`));
    assertEquals(pids(), [first]);
    Deno.kill(first, "SIGKILL");
    const second = await runsAnew(first);
    describe("echo two");
    await runsAnew(second);
    const log = `${temp.path}/lib/logs/web.log`;
    await until("its output", () => Deno.readTextFileSync(log).includes("two"));
    Deno.removeSync(`${folder}/web.json`);
    await until("its end", () => listContainers({ state }).length === 0);
    await until(
      "the end of its files",
      () => !exists(`${state}/rootfs/web/bin`),
    );
  },
  missing,
);

/** The folder of the service of a test that runs: the test holds the lock of that name. */
function serviceOf(pid: number): string | undefined {
  try {
    const links = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) =>
      Deno.readLinkSync(`/proc/${pid}/fd/${name}`)
    );
    const [, name] = links.map((link) =>
      /^\/run\/(containerkit-service-\d+)\.lock$/.exec(link)
    ).find((found) =>
      found !== null
    ) ?? [];
    return name && `/var/lib/${name}`;
  } catch (error) {
    // It opens and closes files meanwhile, or has ended.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

rootTest(
  "examples/service_test.ts runs beside itself, and clears away what one left that was killed",
  async () => {
    const { pathname } = new URL(
      "../examples/service_test.ts",
      import.meta.url,
    );
    const start = () =>
      new Deno.Command(Deno.execPath(), {
        args: ["test", "-A", "--no-prompt", "--quiet", pathname],
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    const killed = start();
    let root: string | undefined;
    await until("a service is on its network", () => {
      root ??= serviceOf(killed.pid);
      return root !== undefined && exists(`${root}/netns`);
    });
    killed.kill("SIGKILL");
    await killed.output();
    for (
      const { code, stdout } of await Promise.all([
        start().output(),
        start().output(),
      ])
    ) {
      assertEquals(code, 0, new TextDecoder().decode(stdout));
    }
    assert(!exists(root!));
  },
  missing,
);
