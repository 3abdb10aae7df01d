import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { Worker } from "node:worker_threads";
import { pidfdOpen, SyscallError } from "@containerkit/libc";
import { rootTest, tempDir, testIf } from "@containerkit/tests";
import {
  attach,
  createLink,
  listLinks,
  listNetNs,
  NetNs,
  removeNetNs,
  RouteSocket,
  setLink,
} from "./mod.ts";

const LONG = Deno.env.get("CONTAINERKIT_LONG") !== undefined;

function here(): string {
  return Deno.readLinkSync("/proc/thread-self/ns/net");
}

/** How many threads of this process are in each namespace. */
function threads(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    try {
      const link = Deno.readLinkSync(`/proc/self/task/${name}/ns/net`);
      counts.set(link, (counts.get(link) ?? 0) + 1);
    } catch {
      // It ended while we looked.
    }
  }
  return counts;
}

rootTest(
  "NetNs.create() makes an empty namespace and stays at home",
  async () => {
    const home = here();
    using netns = NetNs.create();
    assertEquals(here(), home);
    assertNotEquals(netns.run(here), home);
    using route = new RouteSocket({ netns });
    const links = await route.request(listLinks());
    assertEquals(links.filter(({ kind }) => kind === undefined).length, 1);
  },
);

rootTest("NetNs.create() pins at a path, and disposing removes the pin", () => {
  using temp = tempDir();
  const path = `${temp.path}/deep/er/ns`;
  {
    using netns = NetNs.create({ path });
    using again = NetNs.open(path);
    assertEquals(again.cookie, netns.cookie);
    assertEquals(listNetNs(`${temp.path}/deep/er`), [
      { path, cookie: netns.cookie },
    ]);
  }
  assertEquals(listNetNs(`${temp.path}/deep/er`), []);
  assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
});

rootTest(
  "NetNs.keep() leaves the pin to removeNetNs(), which does no harm twice",
  () => {
    using temp = tempDir();
    const path = `${temp.path}/ns`;
    {
      using netns = NetNs.create({ path });
      netns.keep();
    }
    assertEquals(listNetNs(temp.path).length, 1);
    assertEquals([removeNetNs(path), removeNetNs(path)], [true, false]);
  },
);

rootTest("NetNs.pin() keeps an anonymous namespace", () => {
  using temp = tempDir();
  using netns = NetNs.create();
  netns.pin(`${temp.path}/ns`);
  assertThrows(() => netns.pin(`${temp.path}/other`), TypeError, "is pinned");
  using again = NetNs.open(`${temp.path}/ns`);
  assertEquals(again.cookie, netns.cookie);
});

rootTest(
  "NetNs.create() refuses a path that is taken, and leaves nothing",
  () => {
    using temp = tempDir();
    const path = `${temp.path}/ns`;
    Deno.writeTextFileSync(path, "mine");
    const home = here();
    const error = assertThrows(() => NetNs.create({ path }), SyscallError);
    assertEquals(error.code, "EEXIST");
    assertEquals(
      error.message,
      `Cannot pin a network namespace at "${path}": openat failed with EEXIST: something is there already`,
    );
    assertEquals([Deno.readTextFileSync(path), here()], ["mine", home]);
    assertThrows(
      () => NetNs.create({ path: "ns" }),
      TypeError,
      "absolute path",
    );
  },
);

rootTest("removeNetNs() by two at once is no error for either", async () => {
  using temp = tempDir();
  const script = new URL("./testdata/remove_net_ns.ts", import.meta.url);
  const workers = [new Worker(script), new Worker(script)];
  // The moments differ from round to round: that the outcome does not is the point.
  for (let round = 0; round < 30; round++) {
    const path = `${temp.path}/ns${round}`;
    using netns = NetNs.create({ path });
    netns.keep();
    const gate = new SharedArrayBuffer(4);
    const results = await Promise.all(workers.map((worker) => {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      worker.once("message", resolve);
      worker.postMessage({ path, gate });
      return promise;
    }));
    assertEquals(results.toSorted(), [false, true]);
    assertThrows(() => Deno.lstatSync(path), Deno.errors.NotFound);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
});

rootTest(
  "removeNetNs() refuses what is no namespace, and removes a leftover",
  () => {
    using temp = tempDir();
    const file = `${temp.path}/file`;
    Deno.writeTextFileSync(file, "mine");
    assertThrows(() => removeNetNs(file), TypeError, "the file is none");
    assertThrows(() => removeNetNs(temp.path), TypeError);
    // A namespace, and no pin.
    assertThrows(
      () => removeNetNs("/proc/self/ns/net"),
      SyscallError,
      "EINVAL",
    );
    Deno.writeTextFileSync(file, "");
    assertThrows(() => NetNs.open(file), TypeError, "was its pin unmounted?");
    assertEquals(removeNetNs(file), true);
  },
);

rootTest(
  "NetNs opens the namespace of a process, by pid and by pidfd",
  async () => {
    using netns = NetNs.create();
    const child = netns.run(() => ({
      process: new Deno.Command("sleep", { args: ["60"] }).spawn(),
    })).process;
    try {
      using byPid = NetNs.fromPid(child.pid);
      using pidfd = pidfdOpen(child.pid);
      using byPidFd = NetNs.fromPidFd(pidfd);
      assertEquals([byPid.cookie, byPidFd.cookie], [
        netns.cookie,
        netns.cookie,
      ]);
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
    assertThrows(() => NetNs.fromPid(child.pid), SyscallError);
  },
);

rootTest(
  "NetNs.cookie is never the same, though inode numbers are used again",
  () => {
    const cookies = new Set<bigint>();
    const inodes = new Set<string>();
    for (let round = 0; round < 50; round++) {
      using netns = NetNs.create();
      cookies.add(netns.cookie);
      inodes.add(netns.run(here));
    }
    assertEquals(cookies.size, 50);
    assert(inodes.size <= 50);
  },
);

rootTest("NetNs.run() refuses what would go on elsewhere", () => {
  using netns = NetNs.create();
  const home = here();
  let entered = false;
  const asynchronous = async () => {
    entered = true;
    await Promise.resolve();
  };
  assertThrows(
    () => netns.run(asynchronous as unknown as () => void),
    TypeError,
    "asynchronous function",
  );
  assertEquals(entered, false);
  assertThrows(
    () => netns.run((() => Promise.resolve(1)) as unknown as () => void),
    TypeError,
    "returns a promise",
  );
  assertEquals(here(), home);
});

rootTest(
  "NetNs.run() comes back after an error, and from within another run",
  () => {
    using a = NetNs.create();
    using b = NetNs.create();
    const home = here();
    assertThrows(
      () =>
        a.run(() => {
          throw new RangeError("inside");
        }),
      RangeError,
      "inside",
    );
    assertEquals(here(), home);
    const [outer, inner, after] = a.run(() => [here(), b.run(here), here()]);
    assertEquals(outer, after);
    assertNotEquals(outer, inner);
    assertEquals(here(), home);
  },
);

rootTest("NetNs.run() makes listeners that stay in the namespace", async () => {
  using netns = NetNs.create();
  using route = new RouteSocket({ netns });
  await route.request(setLink("lo", { up: true }));
  using listener = netns.run(() =>
    Deno.listen({ hostname: "127.0.0.1", port: 0 })
  );
  const { port } = listener.addr as Deno.NetAddr;
  await assertRejects(
    () => Deno.connect({ hostname: "127.0.0.1", port }),
    Deno.errors.ConnectionRefused,
  );
  const { connection } = netns.run(() => ({
    connection: Deno.connect({ hostname: "127.0.0.1", port }),
  }));
  const [client, server] = await Promise.all([connection, listener.accept()]);
  client.close();
  server.close();
});

rootTest("a closed NetNs refuses use, and says which it is", async () => {
  using temp = tempDir();
  const path = `${temp.path}/pin`;
  const netns = NetNs.create({ path });
  netns.close();
  netns[Symbol.dispose]();
  netns[Symbol.dispose]();
  const message = `Cannot use the network namespace "${path}": it is closed`;
  const { BadResource } = Deno.errors;
  assertThrows(() => netns.run(() => 1), BadResource, message);
  assertThrows(() => netns.fd, BadResource, message);
  assertThrows(() => netns.cookie, BadResource, message);
  await assertRejects(
    () => attach(netns, { bridge: "ckt0", address: "10.77.0.2/24" }),
    BadResource,
    message,
  );
});

rootTest(
  "NetNs leaves no thread in a foreign namespace under load",
  async () => {
    const rounds = LONG ? 50_000 : 5000;
    const home = here();
    using netns = NetNs.create();
    const before = threads();
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("x"),
    );
    const url = `http://127.0.0.1:${server.addr.port}/`;
    let going = true;
    const load = [
      async () => {
        while (going) await (await fetch(url)).text();
      },
      async () => {
        while (going) await Deno.readFile("/etc/passwd");
      },
      async () => {
        while (going) {
          await crypto.subtle.digest(
            "SHA-256",
            new Uint8Array(9999),
          );
        }
      },
    ].map((run) => run());
    const foreign = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const inside = netns.run(() => {
        using _socket = new RouteSocket();
        return here();
      });
      assertNotEquals(inside, home);
      assertEquals(here(), home);
      if (round % 5 === 0) NetNs.create().close();
      if (round % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
      if (round % 250 === 0) {
        for (const link of threads().keys()) {
          if (!before.has(link)) foreign.add(link);
        }
      }
    }
    going = false;
    await Promise.all(load);
    await server.shutdown();
    for (const link of threads().keys()) {
      if (!before.has(link)) {
        foreign.add(link);
      }
    }
    assertEquals([...foreign], []);
  },
);

rootTest(
  "RouteSocket keeps its namespace alive and talks to it from anywhere",
  async () => {
    const netns = NetNs.create();
    using route = new RouteSocket({ netns });
    netns.close();
    await route.request(createLink({ kind: "bridge", name: "only0" }));
    const names = (await route.request(listLinks())).map(({ name }) => name);
    assert(names.includes("only0"));
  },
);

rootTest(
  "descriptors of NetNs and RouteSocket do not reach children",
  async () => {
    using netns = NetNs.create();
    using _route = new RouteSocket({ netns });
    const { stdout } = await new Deno.Command("ls", {
      args: ["-l", "/proc/self/fd"],
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(/net:\[|socket:/.test(text), false, text);
  },
);

const notRoot = Deno.build.os !== "linux"
  ? "not Linux"
  : Deno.uid() !== 0
  ? "not root"
  : undefined;

// Not a rootTest: Deno keeps two descriptors of a worker's runtime for longer than its thread.
testIf(
  notRoot,
  "a worker made inside works there for good, with its own threads",
  async () => {
    using netns = NetNs.create();
    const home = here();
    const worker = netns.run(() =>
      new Worker(new URL("./testdata/worker.ts", import.meta.url))
    );
    const { promise, resolve } = Promise.withResolvers<string[]>();
    worker.on("message", resolve);
    const seen = await promise;
    await worker.terminate();
    assertEquals(seen, [netns.run(here)]);
    assertEquals(here(), home);
  },
);

rootTest("one grant of ffi for libc alone is enough", async () => {
  using temp = tempDir();
  const script = `
    import { attach, listLinks, NetNs, RouteSocket } from "${new URL(
    "./mod.ts",
    import.meta.url,
  )}";
    using netns = NetNs.create({ path: "${temp.path}/ns" });
    using route = new RouteSocket({ netns });
    await using attachment = await attach(netns, {
      bridge: "ckt0",
      address: "10.77.0.2/24",
      gateway: "10.77.0.1",
      masquerade: true,
      forwarding: true,
      publish: [{ hostAddress: "0.0.0.0", hostPort: 8080, targetPort: 80 }],
    });
    const links = await route.request(listLinks());
    console.log(links.map(({ name }) => name).join(), attachment.published.length);
  `;
  const file = `${temp.path}/script.ts`;
  await Deno.writeTextFile(file, script);
  const config = new URL("../deno.json", import.meta.url).pathname;
  const ffi = `--allow-ffi=/lib/${Deno.build.arch}-linux-gnu/libc.so.6`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", `--config=${config}`, ffi, file],
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stdout), "lo,eth0 1\n", decoder.decode(stderr));
});
