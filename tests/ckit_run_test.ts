import { assertEquals, assertMatch } from "@std/assert";
import {
  ckit,
  makeRealImage,
  need,
  program,
  rootTest,
  runProgram,
  startCkit,
  tempDir,
} from "./mod.ts";

const PARTS = need("umoci", "skopeo", "runc", "busybox", "setfattr");

rootTest("ckit run gives the container what its flags ask for", async (t) => {
  await using temp = tempDir();
  const { layout, tag } = await makeRealImage(temp.path);
  const archive = `${temp.path}/image.tar`;
  await runProgram(program("skopeo")!, [
    "copy",
    `oci:${layout}:${tag}`,
    `oci-archive:${archive}:example.org/busybox:1`,
  ]);
  const options = { folder: temp.path };
  const imported = await ckit(["import", archive], options);
  assertEquals([imported.code, imported.stderr], [0, ""]);
  const run = async (flags: string[], script: string, ...more: string[]) => {
    const { code, stdout, stderr } = await ckit([
      "run",
      "--rm",
      "--network",
      "none",
      ...flags,
      "example.org/busybox:1",
      "sh",
      "-c",
      script,
      ...more,
    ], options);
    assertEquals([code, stderr], [0, ""]);
    return stdout;
  };

  await t.step("the program's arguments, and odd values of flags", async () => {
    assertEquals(
      await run(
        ["--entrypoint", "", "--pids-limit", "-1", "-eA=1"],
        'echo "$A $*"',
        ...["sh", "a", "--", "-b", "--"],
      ),
      "1 a -- -b --\n",
    );
  });

  await t.step("filesystems", async () => {
    assertEquals(
      await run(
        ["--read-only", "--tmpfs", "/tmp:size=64K,mode=700"],
        "echo a 2>/dev/null >/etc/a || echo refused; echo b >/tmp/b && cat /tmp/b",
      ),
      "refused\nb\n",
    );
  });

  await t.step("volumes", async () => {
    assertEquals(await run(["-v", "data:/d"], "echo a >/d/a"), "");
    assertEquals(
      await run(["-v", "data:/d:ro"], "cat /d/a; echo b 2>&1 >/d/b || :"),
      "a\nsh: can't create /d/b: Read-only file system\n",
    );
    const image = "example.org/busybox:1";
    const flags = ["--name", "user", "--network", "none", "-v", "data:/d"];
    assertEquals(
      (await ckit(["create", ...flags, image], options)).stdout,
      "user\n",
    );
    assertMatch(
      (await ckit(["volume", "ls"], options)).stdout,
      /^data .* user$/m,
    );
    assertEquals(
      (await ckit(["volume", "rm", "data"], options)).stderr,
      'ckit: Cannot remove volume "data": it is used by container "user"\n',
    );
    assertEquals((await ckit(["rm", "user"], options)).code, 0);
    assertEquals((await ckit(["volume", "rm", "data"], options)).code, 0);
  });

  await t.step("who it is, and what it may", async () => {
    const text = await run(
      ["-h", "box", "-u", "user", "--cap-drop", "ALL", "-e", "A=1"],
      'echo "$A $(busybox env | busybox grep ^HOSTNAME=) $(cat /proc/sys/kernel/hostname /etc/hostname)"; id -u; cat /proc/self/status',
    );
    assertMatch(text, /^1 HOSTNAME=box box\nbox\n1000\n/);
    assertMatch(text, /^CapBnd:\t0+$/m);
    assertMatch(text, /^NoNewPrivs:\t1$/m);
  });

  await t.step("limits", async () => {
    const text = await run(
      [
        "--ulimit",
        "nofile=100:200",
        "--ulimit",
        "fsize=65536:-1",
        "--memory",
        "64M",
        "--pids-limit",
        "50",
      ],
      "cat /proc/self/limits; cat /proc/self/cgroup",
    );
    assertMatch(text, /^Max open files +100 +200 /m);
    assertMatch(text, /^Max file size +65536 +unlimited /m);
    assertMatch(text, /containerkit-/);
  });

  const signalled = async (script: string, signals: Deno.Signal[]) => {
    const child = startCkit([
      "run",
      "--rm",
      "--network",
      "none",
      "example.org/busybox:1",
      "sh",
      "-c",
      script,
    ], options);
    const reader = child.stdout.getReader();
    await reader.read(); // it is ready
    for (const signal of signals) {
      child.kill(signal);
      await new Promise((done) => setTimeout(done, 200));
    }
    await reader.cancel();
    await child.stderr.cancel();
    return (await child.status).code;
  };

  await t.step("a signal is the container's", async () => {
    assertEquals(
      await signalled(
        'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done',
        ["SIGTERM"],
      ),
      5,
    );
  });

  await t.step(
    "a second signal ends what does not heed the first",
    async () => {
      assertEquals(
        await signalled("echo ready; sleep 1000", ["SIGINT", "SIGINT"]),
        137,
      );
    },
  );

  await t.step(
    "what fails before the program runs has Docker's codes, and what does nothing is told",
    async () => {
      const image = "example.org/busybox:1";
      const calls: [string[], number, RegExp][] = [
        [
          ["--ulimit", "x", image],
          125,
          /^ckit: --ulimit takes K=V, not "x"\n$/,
        ],
        [["-p", "x", image], 125, /^ckit: Cannot publish "x": /],
        [
          ["--network", "none", "-p", "80:80", image, "sh", "-c", "exit 3"],
          3,
          /^ckit: -p does nothing with --network none\n$/,
        ],
        [["--network", "none", image, "/none"], 127, /: exec: "\/none": /],
        [["--network", "none", image, "/bin"], 126, /: exec: "\/bin": /],
      ];
      for (const [args, expected, message] of calls) {
        const { code, stderr } = await ckit(["run", "--rm", ...args], options);
        assertEquals(code, expected, stderr);
        assertMatch(stderr, message);
      }
    },
  );
}, PARTS);
