import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  need,
  program,
  rootTest,
  tempDir,
  testIf,
  until,
} from "@containerkit/tests";
import { output } from "../_programs_test.ts";
import { deleteLink, getLink, NetNs, RouteSocket, setLink } from "../mod.ts";
import {
  addToNetwork,
  checkNetwork,
  CniCacheError,
  CniError,
  type CniNetwork,
  collectNetwork,
  networkStatus,
  parseCniNetwork,
  pluginVersions,
  removeFromNetwork,
} from "../unstable_cni.ts";

const missing = need("bridge", "portmap", "host-local", "iptables", "nft");
const hasPlugins = program("portmap") === undefined
  ? "program missing: portmap"
  : missing;

/** Takes away in the end what the plugins leave in the packet filter: chains that they use again. */
function keepTables(): Disposable {
  const list = () => {
    using host = NetNs.current();
    return output(host, "nft", ["list", "tables"]).trim().split("\n");
  };
  const before = new Set(list());
  return {
    [Symbol.dispose]() {
      using host = NetNs.current();
      for (const table of list()) {
        if (!before.has(table)) {
          output(host, "nft", ["delete", ...table.split(" ")]);
        }
      }
    },
  };
}

function bridgeNetwork(folder: string): CniNetwork {
  return {
    cniVersion: "1.0.0",
    name: "test-net",
    plugins: [
      {
        type: "bridge",
        bridge: "cni-t0",
        isGateway: true,
        ipMasq: true,
        ipam: {
          type: "host-local",
          dataDir: `${folder}/ipam`,
          ranges: [[{ subnet: "10.66.0.0/24" }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "portmap", capabilities: { portMappings: true }, snat: true },
    ],
  };
}

rootTest("Debian's plugins: ADD, CHECK, DEL, and GC by the cache", async () => {
  using temp = tempDir();
  using netns = NetNs.create({ path: `${temp.path}/ns` });
  using host = NetNs.current();
  using _tables = keepTables();
  using inner = new RouteSocket({ netns });
  using route = new RouteSocket();
  const network = bridgeNetwork(temp.path);
  // The portmap of 1.1.1 looks for IPv6 rules that it did not make.
  const bridgeOnly = { ...network, plugins: network.plugins.slice(0, 1) };
  const options = { cache: `${temp.path}/cache` };
  const attachment = {
    containerId: "web",
    netns: netns.path!,
    capabilities: {
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
    },
  };
  assert((await pluginVersions("bridge")).includes("1.0.0"));
  const result = await addToNetwork(network, attachment, options);
  assertEquals(result.ips?.[0]?.address, "10.66.0.2/24");
  assertEquals((await inner.request(getLink("eth0")))?.up, true);
  const rules = output(host, "iptables-save", []);
  assert(rules.includes("10.66.0.2:80"), rules);
  await checkNetwork(bridgeOnly, attachment, options);
  await inner.request(setLink("eth0", { name: "other0" }));
  await assertRejects(
    () => checkNetwork(bridgeOnly, attachment, options),
    CniError,
  );
  await inner.request(setLink("other0", { name: "eth0" }));
  await collectNetwork(network, [{ containerId: "web" }], options);
  assertEquals((await inner.request(getLink("eth0")))?.kind, "veth");
  await collectNetwork(network, [], options);
  assertEquals(await inner.request(getLink("eth0")), undefined);
  assertEquals([...Deno.readDirSync(options.cache)], []);
  await removeFromNetwork(network, attachment, options);
  await route.request(deleteLink("cni-t0"));
}, hasPlugins);

rootTest(
  "addToNetwork() undoes the plugins before one that refuses",
  async () => {
    using temp = tempDir();
    using netns = NetNs.create({ path: `${temp.path}/ns` });
    using inner = new RouteSocket({ netns });
    using route = new RouteSocket();
    using _tables = keepTables();
    const network = bridgeNetwork(temp.path);
    const error = await assertRejects(() =>
      addToNetwork(
        {
          ...network,
          plugins: [network.plugins[0]!, {
            type: "bandwidth",
            ingressRate: -1,
          }],
        },
        { containerId: "web", netns: netns.path! },
        { cache: `${temp.path}/cache` },
      ), CniError);
    assertEquals([error.plugin, error.command], ["bandwidth", "ADD"]);
    assertEquals(await inner.request(getLink("eth0")), undefined);
    await route.request(deleteLink("cni-t0"));
  },
  hasPlugins,
);

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A plugin that notes what it was called with, and answers as told. */
async function fakePlugin(folder: string): Promise<CniNetwork> {
  await Deno.writeTextFile(
    `${folder}/fake`,
    `#!/bin/sh
{ printf '%s ' "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" "$CNI_ARGS"; cat; echo; } >>"${folder}/calls"
[ -e "${folder}/answer" ] && cat "${folder}/answer" && exit 1
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.9/24"}]}'
exit 0
`,
    { mode: 0o755 },
  );
  return {
    cniVersion: "1.1.0",
    name: "fake-net",
    plugins: [{ type: "fake", capabilities: { ips: true }, own: 1 }],
  };
}

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "every verb of CNI 1.1 says what the specification wants",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    const attachment = {
      containerId: "c1",
      netns: "/ns",
      args: { A: "1", B: "2" },
      capabilities: { ips: ["10.0.0.9/24"], portMappings: [1] },
    };
    await networkStatus(network, options);
    await addToNetwork(network, attachment, options);
    await checkNetwork(
      network,
      { containerId: "c1", netns: undefined, args: undefined },
      options,
    );
    await collectNetwork(network, [{ containerId: "c1" }], options);
    await removeFromNetwork(network, { containerId: "c1" }, options);
    const calls = (await Deno.readTextFile(`${temp.path}/calls`)).trim().split(
      "\n",
    );
    const base = {
      own: 1,
      type: "fake",
      cniVersion: "1.1.0",
      name: "fake-net",
    };
    const runtimeConfig = { ips: ["10.0.0.9/24"] };
    const prevResult = {
      cniVersion: "1.1.0",
      ips: [{ address: "10.0.0.9/24" }],
    };
    const seen = calls.map((line) => {
      const at = line.indexOf("{");
      return [line.slice(0, at).trim(), JSON.parse(line.slice(at))];
    });
    assertEquals(seen, [
      ["STATUS", base],
      ["ADD c1 /ns eth0 A=1;B=2", { ...base, runtimeConfig }],
      ["CHECK c1 /ns eth0 A=1;B=2", { ...base, runtimeConfig, prevResult }],
      ["GC", {
        ...base,
        "cni.dev/valid-attachments": [{ containerID: "c1", ifname: "eth0" }],
      }],
      ["DEL c1 /ns eth0 A=1;B=2", { ...base, runtimeConfig, prevResult }],
    ]);
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "CNI errors carry the plugin's words",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    await Deno.writeTextFile(
      `${temp.path}/answer`,
      '{"code":11,"msg":"try again later","details":"no room"}',
    );
    const error = await assertRejects(
      () => networkStatus(network, options),
      CniError,
      'Cannot STATUS by the CNI plugin "fake": try again later: no room (code 11)',
    );
    assertEquals([error.code, error.exitCode], [11, 1]);
    await assertRejects(
      () => networkStatus({ ...network, plugins: [{ type: "none" }] }, options),
      Deno.errors.NotFound,
      'Cannot find the CNI plugin "none"',
    );
    await assertRejects(
      () =>
        networkStatus({ ...network, plugins: [{ type: "../sh" }] }, options),
      TypeError,
      "that is no name",
    );
    for (const containerId of ["", "../x", "a b", "-a"]) {
      await assertRejects(
        () => addToNetwork(network, { containerId, netns: "/ns" }, options),
        TypeError,
        "container id",
      );
    }
    await assertRejects(
      () => checkNetwork(network, { containerId: "c9" }, options),
      Deno.errors.NotFound,
      "was not added",
    );
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "addToNetwork() and pluginVersions() refuse answers that cannot be right",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    const answers = [
      "",
      "garbage",
      "null",
      "[]",
      '"text"',
      '{"ips":5}',
      '{"ips":[null]}',
      '{"interfaces":[{}]}',
      '{"supportedVersions":"1.0.0","routes":[{"dst":1}]}',
    ];
    for (const answer of answers) {
      await Deno.writeTextFile(
        `${temp.path}/fake`,
        `#!/bin/sh\necho "$CNI_COMMAND" >>"${temp.path}/calls"\nprintf %s '${answer}'\n`,
      );
      const words = "it answered what the specification does not know";
      const attachment = { containerId: "c1", netns: "/ns" };
      await assertRejects(
        () => addToNetwork(network, attachment, options),
        CniError,
        `Cannot ADD by the CNI plugin "fake": ${words}`,
      );
      await assertRejects(
        () => pluginVersions("fake", options),
        CniError,
        `Cannot VERSION by the CNI plugin "fake": ${words}`,
      );
    }
    const calls = await Deno.readTextFile(`${temp.path}/calls`);
    assertEquals(calls, "ADD\nDEL\nVERSION\n".repeat(answers.length));
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "addToNetwork() refuses to add twice without removeFromNetwork()",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    const attachment = { containerId: "c1", netns: "/ns" };
    const add = (more = {}) =>
      addToNetwork(network, { ...attachment, ...more }, options);
    const both = await Promise.allSettled([add(), add()]);
    assertEquals(
      both.map(({ status }) => status).toSorted(),
      ["fulfilled", "rejected"],
    );
    await assertRejects(
      add,
      Deno.errors.AlreadyExists,
      'Cannot add "c1" to the network "fake-net" as "eth0": it was added already',
    );
    await add({ ifName: "eth1" });
    await removeFromNetwork(network, attachment, options);
    await add();
    const calls = await Deno.readTextFile(`${temp.path}/calls`);
    assertEquals(
      calls.trim().split("\n").map((line) => line.split("{")[0]?.trim()),
      [
        "ADD c1 /ns eth0",
        "ADD c1 /ns eth1",
        "DEL c1 /ns eth0",
        "ADD c1 /ns eth0",
      ],
    );
    assertEquals([...Deno.readDirSync(options.cache)].length, 2);
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "addToNetwork() kills by its signal a plugin that heeds none, with what it has started",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    await Deno.writeTextFile(
      `${temp.path}/fake`,
      `#!/bin/sh
[ "$CNI_COMMAND" = DEL ] && echo DEL >>"${temp.path}/calls" && exit 0
trap '' TERM
sleep 1000 &
echo "$$ $!" >"${temp.path}/pids.new"
mv "${temp.path}/pids.new" "${temp.path}/pids"
wait
`,
    );
    const controller = new AbortController();
    const added = addToNetwork(
      network,
      { containerId: "c1", netns: "/ns" },
      { ...options, signal: controller.signal },
    );
    const refused = assertRejects(() => added, Error, "enough");
    const pids = `${temp.path}/pids`;
    await until("the plugin", () => exists(pids));
    controller.abort(new Error("enough"));
    await refused;
    assertEquals(await Deno.readTextFile(`${temp.path}/calls`), "DEL\n");
    for (const pid of (await Deno.readTextFile(pids)).trim().split(" ")) {
      await until(`the end of ${pid}`, () => !exists(`/proc/${pid}`));
    }
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "addToNetwork() kills a plugin that prints more than an answer has",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    await Deno.writeTextFile(
      `${temp.path}/fake`,
      `#!/bin/sh
echo $CNI_COMMAND >>"${temp.path}/calls"
[ $CNI_COMMAND = DEL ] && exit 0
head -c 2097152 /dev/zero | tr '\\0' ' '
echo done >>"${temp.path}/calls"
echo '{}'
`,
    );
    const error = await assertRejects(
      () => addToNetwork(network, { containerId: "c1", netns: "/ns" }, options),
      CniError,
      'Cannot ADD by the CNI plugin "fake": it printed more than 1048576 bytes',
    );
    assertEquals(error.exitCode, 137);
    assertEquals(await Deno.readTextFile(`${temp.path}/calls`), "ADD\nDEL\n");
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "CNI errors keep the last of many words",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    await Deno.writeTextFile(
      `${temp.path}/fake`,
      `#!/bin/sh
head -c 2097152 /dev/zero | tr '\\0' x >&2
echo ' no room' >&2
exit 1
`,
    );
    const { message } = await assertRejects(
      () => networkStatus(network, { pluginPath: [temp.path] }),
      CniError,
    );
    const words = `${"x".repeat(16 * 1024 - " no room\n".length)} no room`;
    assertEquals(
      message,
      `Cannot STATUS by the CNI plugin "fake": ${words}`,
    );
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "addToNetwork() that was refused can be tried again",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    const attachment = { containerId: "c1", netns: "/ns" };
    await Deno.writeTextFile(`${temp.path}/answer`, '{"msg":"no"}');
    for (let turn = 0; turn < 2; turn++) {
      await assertRejects(
        () => addToNetwork(network, attachment, options),
        CniError,
      );
    }
    assertEquals([...Deno.readDirSync(options.cache)], []);
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "checkNetwork() names a damaged file, and the container can be removed and added again",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    const attachment = { containerId: "c1", netns: "/ns" };
    const file = `${options.cache}/fake-net@c1@eth0.json`;
    const texts = [
      "",
      '{"kind":"cniCac',
      "null",
      "[]",
      '{"kind":"cniCacheV1"}',
    ];
    for (const text of texts) {
      await addToNetwork(network, attachment, options);
      await Deno.writeTextFile(file, text);
      const error = await assertRejects(
        () => checkNetwork(network, attachment, options),
        CniCacheError,
        "; remove the container from the network and add it again",
      );
      assertEquals(error.path, file);
      await removeFromNetwork(network, attachment, options);
      assertEquals([...Deno.readDirSync(options.cache)], []);
    }
    const calls = await Deno.readTextFile(`${temp.path}/calls`);
    assertEquals(
      calls.trim().split("\n").map((line) => line.split("{")[0]?.trim()),
      texts.flatMap(() => ["ADD c1 /ns eth0", "DEL c1 /ns eth0"]),
    );
    assert(!calls.includes("prevResult"), calls);
  },
);

testIf(
  Deno.build.os === "linux" ? undefined : "not Linux",
  "collectNetwork() removes what is damaged, and looks at no other network's files",
  async () => {
    using temp = tempDir();
    const network = await fakePlugin(temp.path);
    const options = { pluginPath: [temp.path], cache: `${temp.path}/cache` };
    await Deno.mkdir(options.cache);
    for (const name of ["fake-net@c1@e@1.json", "other@c1@eth0.json"]) {
      await Deno.writeTextFile(`${options.cache}/${name}`, "");
    }
    await collectNetwork(network, [], options);
    const calls = await Deno.readTextFile(`${temp.path}/calls`);
    assertEquals(calls.split("{")[0]?.trim(), "DEL c1  e@1");
    assertEquals(
      Array.from(Deno.readDirSync(options.cache), ({ name }) => name),
      ["other@c1@eth0.json"],
    );
  },
);

Deno.test("parseCniNetwork() refuses what is no network", () => {
  for (
    const text of [
      "1",
      "{}",
      '{"cniVersion":"1.0.0","name":"n","plugins":[]}',
      '{"cniVersion":"1.0.0","name":"n","plugins":[{}]}',
      "{",
    ]
  ) {
    assertThrows(
      () => parseCniNetwork(text),
      SyntaxError,
      "Cannot parse the CNI network: ",
    );
  }
});
