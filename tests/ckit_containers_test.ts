/**
 * The commands of ckit about containers, as a user calls them: from scripts, and
 * at a terminal, which is tmux's.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  createMemoryStore,
  createRegistry,
} from "@containerkit/distribution/registry";
import { IMAGE, setUp } from "./_ckit_box.ts";
import {
  ckit,
  freePort,
  need,
  program,
  rootTest,
  runProgram,
  startCkit,
  until,
} from "./mod.ts";

/** A terminal of tmux, of a size, that runs ckit. */
async function openTerminal(
  { folder }: { folder: string },
  args: readonly string[],
) {
  // One of its own: a server that was killed takes a moment to go.
  const socket = `${folder}/tmux-${crypto.randomUUID()}`;
  const tmux = (...words: string[]) =>
    runProgram(program("tmux")!, ["-S", socket, "-f", "/dev/null", ...words]);
  const main = new URL("../examples/ckit/main.ts", import.meta.url).pathname;
  const command = [
    Deno.execPath(),
    "run",
    "-A",
    "--no-prompt",
    main,
    "--root",
    `${folder}/lib`,
    "--state",
    `${folder}/run`,
    ...args,
  ];
  await tmux(
    "new-session",
    "-d",
    "-x",
    "100",
    "-y",
    "30",
    `${command.join(" ")}; echo "ckit ended with $?"; sleep 1000`,
  );
  const screen = () => tmux("capture-pane", "-p", "-J", "-S", "-200");
  const line = async (text: string) => {
    await tmux("send-keys", "-l", text);
    await tmux("send-keys", "Enter");
  };
  return {
    tmux,
    /** Types a line, or keys by their name. */
    line,
    keys: (...names: string[]) => tmux("send-keys", ...names),
    /** Waits until something is on the screen; types a line before each look, if there is one, as it may come too early. */
    async sees(text: string | RegExp, typed?: string) {
      let last = "";
      try {
        await until(`${text}`, async () => {
          if (typed !== undefined) await line(typed);
          last = await screen();
          return typeof text === "string"
            ? last.includes(text)
            : text.test(last);
        });
      } catch (cause) {
        throw new Error(`No ${text} on the screen:\n${last}`, { cause });
      }
    },
    async [Symbol.asyncDispose]() {
      // The test may have ended it by itself.
      await tmux("kill-server").catch(() => {});
    },
  };
}

rootTest(
  "ckit creates, starts, lists, enters, watches, limits and ends containers",
  async () => {
    await using box = await setUp();
    const { call, options } = box;
    const script =
      "echo up; while read line; do printf 'got '; sleep 0.1; echo $line; done; echo out";
    assertEquals(
      await call(
        "create",
        "-i",
        "--name",
        "a",
        "--network",
        "none",
        IMAGE,
        "sh",
        "-c",
        script,
      ),
      "a",
    );
    assertMatch(await call("ps", "-a"), /^a +example\.org\/box:1 .* created/m);
    assertEquals(await call("start", "a"), "a");
    assertEquals(await call("start", "a"), "a");
    assertEquals(await call("ps", "-q"), "a");
    await until("the first line", async () => await call("logs", "a") === "up");
    assertEquals(
      await call("exec", "a", "sh", "-c", "echo in; id -u"),
      "in\n0",
    );
    const failed = await ckit(["exec", "a", "sh", "-c", "exit 7"], options);
    assertEquals(failed.code, 7);
    for (
      const [args, expected] of [
        [["a", "none"], 127],
        [["a", "/bin"], 126],
        [["a"], 125],
        [["none", "true"], 125],
        [["", "true"], 125],
      ] as const
    ) {
      const { code, stderr } = await ckit(["exec", ...args], options);
      assertEquals(code, expected, stderr);
    }

    assertEquals(await call("pause", "a"), "a");
    assertMatch(await call("ps"), /paused/);
    assertEquals(await call("resume", "a"), "a");
    await call("update", "--memory", "64M", "--pids-limit", "99", "a");
    assertMatch(await call("stats", "--no-stream", "a"), / 64(\.0)? MiB /);

    // What is written while somebody follows the log is seen too.
    const following = startCkit(["logs", "-f", "a"], options);
    const followed = new Response(following.stdout).text();
    await following.stderr.cancel();
    const attached = startCkit(["attach", "a"], options, "piped");
    const writer = attached.stdin.getWriter();
    await writer.write(new TextEncoder().encode("one\n"));
    await until(
      "the line",
      async () => (await call("logs", "a")).includes("got one"),
    );
    await writer.close();
    const { code, stdout } = await attached.output();
    assertEquals(code, 0);
    assertStringIncludes(new TextDecoder().decode(stdout), "out\n");
    assertEquals((await following.status).code, 0);
    assertEquals(await followed, "up\ngot one\nout\n");
    assertEquals(await call("wait", "a"), "0");
    assertMatch(await call("ps", "-a"), /exited \(0\)/);
    assertEquals(await call("logs", "-n", "1", "a"), "out");
    // A line that came in pieces has one time.
    assertMatch(
      await call("logs", "-t", "a"),
      /^\S+Z up\n\S+Z got one\n\S+Z out$/,
    );
    const all = "up\ngot one\nout";
    assertEquals(await call("logs", "--tail", "all", "a"), all);
    assertEquals(await call("logs", "--since", "1h", "a"), all);
    assertEquals(await call("logs", "--since", "0s", "a"), "");
    assertEquals(await call("logs", "--until", "1h", "a"), "");
    for (
      const [args, words] of [
        [["start", "a"], "it has ended, and each starts once"],
        [["start", "-a", "a"], "it has ended; ckit logs shows"],
        [["attach", "a"], "it has ended; ckit logs shows"],
      ] as const
    ) {
      const { code, stderr } = await ckit(args, options);
      assertEquals(code, 1);
      assertStringIncludes(stderr, words);
    }
    await call("rm", "a");

    // One that heeds the signal, one that does not, one that is killed.
    const start = (name: string, script: string) =>
      call(
        "run",
        "-d",
        "--name",
        name,
        "--network",
        "none",
        // An image may name what is no signal.
        "--annotation",
        "org.opencontainers.image.stopSignal=SIGNONE",
        IMAGE,
        "sh",
        "-c",
        script,
      );
    await start(
      "b",
      "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done",
    );
    await until("the trap", async () => await call("logs", "b") === "up");
    await call("stop", "b");
    await start("c", "trap '' TERM; echo up; sleep 1000");
    await until("the trap", async () => await call("logs", "c") === "up");
    await call("stop", "-t", "0.1", "c");
    await start(
      "d",
      "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done",
    );
    await until("the trap", async () => await call("logs", "d") === "up");
    // Whoever waits for it may be interrupted.
    const stopping = startCkit(["stop", "-t", "1000", "d"], options);
    await until(
      "the signal",
      async () => (await call("logs", "d")).endsWith("asked"),
    );
    stopping.kill("SIGINT");
    assertEquals((await stopping.output()).code, 130);
    const waiting = startCkit(["wait", "c", "d"], options);
    await waiting.stderr.cancel();
    const codes = waiting.stdout.getReader();
    assertEquals(new TextDecoder().decode((await codes.read()).value), "137\n");
    waiting.kill("SIGINT");
    assertEquals((await codes.read()).done, true);
    assertEquals((await waiting.status).code, 130);
    await call("kill", "-s", "SIGUSR1", "d");
    assertEquals(await call("ps", "-q"), "d");
    await call("kill", "d");
    assertEquals(await call("wait", "b", "c", "d"), "3\n137\n137");
    await call("rm", "b", "c", "d");
    await start("long", "sleep 1000");
    const refused = await ckit(["rm", "lo"], options);
    assertEquals([refused.code, refused.stderr], [
      1,
      'ckit: Cannot remove container "long": it is running; ckit stop ends it; --force removes it\n',
    ]);
    assertEquals(await call("rm", "-f", "lo"), "long");
    const events = (await call("events", "--once", "a")).split("\n")
      .map((line) => line.split("  ")[2]);
    assertEquals(events, [
      "create",
      "start",
      "exec-start",
      "exec-exit",
      "exec-start",
      "exec-exit",
      "pause",
      "resume",
      "update",
      "exit",
      "delete",
    ]);
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit commit makes an image of what a container changed, and top shows its processes",
  async () => {
    await using box = await setUp();
    const { call, options } = box;
    const start = ["run", "-d", "--network", "none", "--name"];
    await call(...start, "a", IMAGE, "sleep", "1000");
    await call("exec", "a", "sh", "-c", "echo new >/added; rm /bin/cat");
    const lines = (await call("top", "a")).split("\n");
    assertEquals(lines.length, 2);
    assertMatch(lines[1]!, /^\d+ +\d+ +0 +S +sleep 1000$/);

    assertMatch(
      await call("commit", "a", "example.org/made:1"),
      /^example\.org\/made:1@sha256:[0-9a-f]{64}$/,
    );
    assertMatch(await call("ps"), /running/);
    const list = "ls /bin/cat; read line </added; echo $line";
    const made = ["run", "--rm", "--network", "none", "example.org/made:1"];
    const { stdout, stderr } = await ckit(
      [...made, "sh", "-c", list],
      options,
    );
    assertEquals(stdout, "new\n");
    assertStringIncludes(stderr, "No such file");
    // Of one that has ended, and of an image that was made so.
    await call(...start, "b", "example.org/made:1", "sh", "-c", "echo b >/b");
    await call("wait", "b");
    await call("commit", "b", "example.org/made:1");
    const last = await ckit([...made, "sh", "-c", "ls /added /b"], options);
    assertEquals(last.stdout, "/added\n/b\n");
    const failed = await ckit(["commit", "c", "example.org/made:2"], options);
    assertEquals([failed.code, failed.stderr], [
      1,
      'ckit: Cannot find container "c": there is none\n',
    ]);
    await call("rm", "-f", "a", "b");
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit system prune leaves the root filesystems of containers, and removes them after a boot",
  async () => {
    await using box = await setUp();
    const { call, folder } = box;
    await call("create", "--name", "a", "--network", "none", IMAGE);
    await call("commit", "a", "example.org/made:1");
    const prune = ["system", "prune", "--now"];
    assertEquals(await call(...prune), "0 B freed");
    // What does not survive a boot is in another folder then.
    const pruned = await call("--state", `${folder}/boot`, ...prune);
    assertEquals(pruned, "1\tsnapshot/overlay\n0 B freed");
    await call("rm", "a");
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit inspect tells all of containers and stored images as JSON",
  async () => {
    await using box = await setUp();
    const { call, options } = box;
    const make = ["run", "-d", "--network", "none", "--name"];
    await call(...make, "web", IMAGE, "sleep", "1000");
    await call(...make, "ended", IMAGE, "sh", "-c", "exit 3");
    await call("wait", "ended");
    const [web, ended, image] = JSON.parse(
      await call("inspect", "we", "ended", IMAGE),
    );
    assertEquals([web.kind, web.id, web.state], [
      "container",
      "web",
      "running",
    ]);
    assertEquals(Deno.readTextFileSync(`/proc/${web.pid}/comm`), "sleep\n");
    assertEquals(web.image, { name: IMAGE, digest: image.descriptor.digest });
    assertEquals(web.network, { mode: "none" });
    assertEquals(web.spec.process.args, ["sleep", "1000"]);
    assertEquals([ended.state, ended.exit.code], ["stopped", 3]);
    assertEquals([image.kind, image.name, image.complete], [
      "image",
      IMAGE,
      true,
    ]);
    assertEquals(image.config.config.Cmd, ["sh"]);
    assertEquals(
      image.layers.map(({ diffId }: { diffId: string }) => diffId),
      image.config.rootfs.diff_ids,
    );

    // What is found is told beside what is not.
    const { code, stdout, stderr } = await ckit(
      ["inspect", "web", "none"],
      options,
    );
    assertEquals(
      JSON.parse(stdout).map(({ id }: { id: string }) => id),
      ["web"],
    );
    assertEquals([code, stderr], [
      1,
      'ckit: Cannot inspect "none": there is no such container, and no stored image "docker.io/library/none:latest"\n',
    ]);
    const asImage = await ckit(["inspect", "--type", "image", "web"], options);
    assertEquals([asImage.code, asImage.stdout], [1, "[]\n"]);
    await call("rm", "-f", "web", "ended");
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit exec is not left: the keys are the program's, and the second signal kills it",
  async () => {
    await using box = await setUp();
    const { call, options } = box;
    await call(
      "run",
      "-d",
      "--name",
      "a",
      "--network",
      "none",
      IMAGE,
      "sleep",
      "1000",
    );
    {
      await using terminal = await openTerminal(box, [
        "exec",
        "-it",
        "a",
        "cat",
        "-n",
      ]);
      await terminal.sees(/^ +\d+ +one$/m, "one");
      await terminal.keys("C-p", "C-q", "Enter");
      await terminal.sees(/^ +\d+ +two$/m, "two");
    }
    const script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    const child = startCkit(["exec", "a", "sh", "-c", script], options);
    await child.stderr.cancel();
    const reader = child.stdout.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "up\n");
    let ended = false;
    child.status.then(() => ended = true);
    await until("the end", () => {
      try {
        if (!ended) child.kill("SIGTERM");
      } catch {
        // It has ended just now.
      }
      return ended;
    });
    assertEquals((await child.status).code, 137);
    await reader.cancel();
    await call("rm", "-f", "a");
  },
  need("runc", "busybox", "tmux"),
);

rootTest(
  "ckit exec -i and attach go on with a program that reads no more",
  async () => {
    await using box = await setUp();
    const { call, options } = box;
    const script =
      "exec <&-; >/deaf; until [ -e /go ]; do sleep 0.05; done; echo done; exit 3";
    const run = ["run", "-d", "-i", "--network", "none", "--name"];
    await call(...run, "a", IMAGE, "sh", "-c", script);
    await call(...run, "b", IMAGE, "sleep", "1000");
    for (
      const [args, id] of [
        [["attach", "a"], "a"],
        [["exec", "-i", "b", "sh", "-c", script], "b"],
      ] as const
    ) {
      const child = startCkit(args, options, "piped");
      const output = child.output();
      const has = async (file: string) =>
        (await ckit(["exec", id, "sh", "-c", `[ -e ${file} ]`], options))
          .code === 0;
      await until("the end of its input", () => has("/deaf"));
      const input = child.stdin.getWriter();
      // The first is taken by the pipe that nobody reads; who writes the next is told.
      for (let count = 0; count < 3; count++) {
        await input.write(new Uint8Array(1));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await call("exec", id, "sh", "-c", ">/go");
      const { code, stdout } = await output;
      assertEquals(
        [code, new TextDecoder().decode(stdout)],
        [3, "done\n"],
        args[0],
      );
      await input.close().catch(() => {});
    }
    await call("rm", "-f", "a", "b");
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit ps -a shows what is left of a container that was not finished, and rm -f removes it",
  async () => {
    await using box = await setUp();
    const { call, folder, options } = box;
    const path = `${folder}/run/sandboxes/a`;
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(
      `${path}/sandbox.json`,
      JSON.stringify({
        id: "a",
        image: IMAGE,
        snapshotter: "overlay",
        network: "none",
        folder: path,
        created: new Date().toISOString(),
      }),
    );
    assertEquals(await call("ps", "-q"), "");
    assertEquals(await call("ps", "-aq"), "a");
    assertMatch(
      await call("ps", "-a"),
      /^a +example\.org\/box:1 .* unfinished$/m,
    );
    const { code, stderr } = await ckit(["rm", "a"], options);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "--force removes it");
    await call("rm", "-f", "a");
    assertEquals(await call("ps", "-aq"), "");
  },
  need("busybox"),
);

rootTest(
  "ckit exec hands on a signal that comes before the runtime has ended",
  async () => {
    await using box = await setUp();
    const { call, folder, options } = box;
    // A runtime that takes its time after the program was started.
    const runtime = `${folder}/slow-runc`;
    await Deno.writeTextFile(
      runtime,
      `#!/bin/sh
case " $* " in *" exec "*)
  "${program("runc")}" "$@"
  code=$?
  until [ -e "${folder}/go" ]; do sleep 0.05; done
  exit $code;;
esac
exec "${program("runc")}" "$@"
`,
      { mode: 0o755 },
    );
    const where = ["--network", "none", "--runtime", runtime];
    await call("run", "-d", "--name", "a", ...where, IMAGE, "sleep", "1000");
    const script =
      "trap 'exit 5' TERM; echo up >/ready; while :; do sleep 0.05; done";
    const child = startCkit(["exec", "a", "sh", "-c", script], options);
    const ready = `${folder}/run/sandboxes/a/rootfs/ready`;
    await until("the program", () => {
      try {
        return Deno.statSync(ready).isFile;
      } catch {
        return false;
      }
    });
    child.kill("SIGTERM");
    // Another ckit takes longer than a signal.
    assertEquals(await call("ps", "-q"), "a");
    await Deno.writeTextFile(`${folder}/go`, "");
    const { code } = await child.output();
    assertEquals(code, 5);
    await call("rm", "-f", "a");
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit takes an id again that was killed before anything of it was written down",
  async () => {
    await using box = await setUp();
    const { call, folder } = box;
    const sandboxes = `${folder}/run/sandboxes`;
    const killed = `.${crypto.randomUUID()}`;
    // What was left by who made the folder first, and what is left now.
    await Deno.mkdir(`${sandboxes}/a`, { recursive: true });
    await Deno.mkdir(`${sandboxes}/${killed}`);
    await Deno.writeTextFile(`${sandboxes}/${killed}/sandbox.json`, "{");
    assertEquals(await call("ps", "-aq"), "");
    const run = ["run", "--name", "a", "--network", "none"];
    assertEquals(await call(...run, "--rm", IMAGE, "echo", "hello"), "hello");
    await call("create", ...run.slice(1), IMAGE);
    const { code, stderr } = await ckit(
      ["create", ...run.slice(1), IMAGE],
      box.options,
    );
    assertEquals(code, 125);
    assertStringIncludes(stderr, "there is one of that id");
    assertEquals(await call("ps", "-aq"), "a");
    await call("rm", "a");
    assertEquals([...Deno.readDirSync(sandboxes)].map(({ name }) => name), [
      killed,
    ]);
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit that is compiled is its own monitor",
  async () => {
    await using box = await setUp();
    const { folder, call } = box;
    // What a compiled program knows of itself, without compiling it.
    const path = `${folder}/ckit`;
    const main = new URL("../examples/ckit/main.ts", import.meta.url).pathname;
    await Deno.writeTextFile(
      `${path}.ts`,
      `Deno.build = { ...Deno.build, standalone: true };
       Deno.execPath = () => ${JSON.stringify(path)};`,
    );
    await Deno.writeTextFile(
      path,
      `#!/bin/sh
       exec "${Deno.execPath()}" run -A --no-prompt --preload="$0.ts" ${main} "$@"`,
      { mode: 0o755 },
    );
    const compiled = (...args: string[]) =>
      runProgram(path, [
        "--root",
        `${folder}/lib`,
        "--state",
        `${folder}/run`,
        ...args,
      ]);
    // deno-fmt-ignore
    await compiled("run", "-d", "--name", "a", "--network", "none", IMAGE, "sh", "-c", "echo up; exec sleep 100");
    await until("the line", async () => await call("logs", "a") === "up");
    // One that was killed is followed by another, which compiled programs start too.
    const monitors = [...Deno.readDirSync("/proc")].map(({ name }) => name)
      .filter((name) => /^\d+$/.test(name))
      .filter((name) => {
        try {
          return Deno.readTextFileSync(`/proc/${name}/cmdline`)
            .includes(`\0be-monitor-of\0${folder}/run`);
        } catch {
          return false; // It has just ended.
        }
      });
    assertEquals(monitors.length, 1);
    Deno.kill(Number(monitors[0]), "SIGKILL");
    assertMatch(await compiled("ps"), /^a .* running/m);
    await compiled("rm", "-f", "a");
  },
  need("runc", "busybox"),
);

rootTest(
  "ckit makes terminals of the size of its own, also without -i",
  async () => {
    await using box = await setUp();
    const program = ["--network", "none", IMAGE, "stty", "size"];
    for (const flags of ["-t", "-it"]) {
      await using terminal = await openTerminal(box, [
        "run",
        "--rm",
        flags,
        ...program,
      ]);
      await terminal.sees("30 100\n");
      await terminal.sees("ckit ended with 0");
    }
  },
  need("runc", "busybox", "tmux"),
);

rootTest(
  "ckit takes a password from a terminal up to Ctrl-D, and writes no archive to one",
  async () => {
    await using box = await setUp();
    await using login = await openTerminal(box, [
      "login",
      "--username=me",
      `127.0.0.1:${freePort()}`,
    ]);
    await login.sees("Password:");
    await login.keys("p", "C-d");
    await login.sees("ckit: Cannot log in");
    await using archive = await openTerminal(box, ["export", IMAGE]);
    await archive.sees("ckit writes no archive to a terminal");
  },
  need("busybox", "tmux"),
);

rootTest(
  "ckit push and copy print what they sent below the bars of a terminal",
  async () => {
    await using box = await setUp();
    await using registry = createRegistry({ store: createMemoryStore() });
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      registry,
    );
    const name = `127.0.0.1:${server.addr.port}/box`;
    for (
      const args of [["push", IMAGE, `${name}:1`], [
        "copy",
        `${name}:1`,
        `${name}:2`,
      ]]
    ) {
      await using terminal = await openTerminal(box, args);
      await terminal.sees("ckit ended with 0");
      await terminal.sees(`${args[2]}@sha256:`);
    }
  },
  need("busybox", "tmux"),
);

rootTest(
  "ckit at a terminal: size, keys, editors, pasting, leaving and coming back",
  async (t) => {
    await using box = await setUp();
    const { call } = box;
    await using terminal = await openTerminal(box, [
      "run",
      "-it",
      "--name",
      "t",
      "--network",
      "none",
      IMAGE,
    ]);
    const { tmux, line, keys, sees } = terminal;
    /**
     * Starts a program that reads what is typed, and waits until it does. A shell at
     * its prompt asks the terminal where the cursor is, and the answer may come
     * between two keys; a key that comes before the program is no signal for it.
     */
    const startCat = async (word: string) => {
      await line("cat -n");
      await reads(word);
    };
    const reads = (word: string, at = terminal) =>
      at.sees(new RegExp(`^ +\\d+ +${word}$`, "m"), word);
    await sees(/# $/m);

    await t.step(
      "its size is the container's, also when it changes",
      async () => {
        await line("stty size");
        await sees("\n30 100\n");
        await tmux("resize-window", "-x", "81", "-y", "24");
        await sees("\n24 81\n", "busybox clear; stty size");
      },
    );

    await t.step("ctrl-c ends, ctrl-z stops what runs in it", async () => {
      await startCat("one");
      await keys("C-c");
      await line("echo after $?");
      await sees("\nafter 130\n");
      await startCat("two");
      await keys("C-z");
      await sees(/Stopped/);
      await line("kill -9 %1; wait; echo none left");
      await sees("\nnone left\n");
    });

    await t.step("what is pasted arrives whole", async () => {
      const text = Array.from(
        { length: 1500 },
        (_, index) => `${index} ${"x".repeat(80)}\n`,
      ).join("");
      const path = `${box.folder}/paste`;
      Deno.writeTextFileSync(path, text);
      await line("cat >/tmp/paste");
      await tmux("load-buffer", path);
      await tmux("paste-buffer");
      await keys("C-d");
      await line("busybox clear; wc -c </tmp/paste");
      await sees(new RegExp(`^${text.length}$`, "m"));
    });

    await t.step("an editor of the whole screen", async () => {
      await line("busybox vi /tmp/note");
      await sees(/^~$/m);
      await keys("i");
      await tmux("send-keys", "-l", "written in vi");
      await sees("written in vi");
      // What follows an escape at once is taken for a part of the same key.
      await keys("Escape");
      await sees(/^- \/tmp\/note/m);
      await line(":wq");
      await sees(/# \n*$/);
      await line("busybox clear; cat /tmp/note");
      await sees("\nwritten in vi\n");
    });

    await t.step(
      "it is left and joined again, from elsewhere too",
      async () => {
        await line("kept=still");
        await startCat("three");
        await keys("C-p");
        await keys("C-q");
        await sees("ckit ended with 0");
        assertEquals(await call("ps", "-q"), "t");
        await tmux("kill-server");
        await using again = await openTerminal(box, ["attach", "t"]);
        await reads("four", again);
        await again.keys("C-d");
        await again.line("echo $kept there; stty size");
        await again.sees("\nstill there\n30 100\n");
        await again.line("exit 5");
        await again.sees("ckit ended with 5");
        await call("rm", "t");
      },
    );
  },
  need("runc", "busybox", "tmux"),
);
