import { CloneFlag, openAt, setNs, unshare } from "@containerkit/libc";
import {
  addAddress,
  attach,
  type AttachOptions,
  createLink,
  deleteLink,
  type Link,
  listLinks,
  NatTable,
  NetNs,
  removeNetNs,
  RouteSocket,
  setLink,
  writeSysctl,
} from "@containerkit/network";
import {
  addToNetwork,
  type CniNetwork,
  removeFromNetwork,
} from "@containerkit/network/unstable-cni";
import { program } from "../need.ts";
import { type AttachInC, attachInC } from "./_attach_in_c.ts";
import { run } from "./_run.ts";
import type { Bench } from "./bench.ts";

const BRIDGE = "bench0";
const ROUNDS = 41;

function options(change: Partial<AttachOptions> = {}): AttachOptions {
  return {
    bridge: BRIDGE,
    address: "10.55.0.2/16",
    gateway: "10.55.0.1",
    ...change,
  };
}

/** Waits for the end of the namespaces before: the kernel takes its time, with the lock that all share. */
async function settle(): Promise<void> {
  using route = new RouteSocket();
  const request = listLinks({ kind: "veth", statistics: false });
  while ((await route.request(request)).length > 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** One attach to a namespace that is there, without what comes before and after. */
async function timeAttach(
  folder: string,
  change: Partial<AttachOptions> = {},
): Promise<number> {
  await settle();
  const path = `${folder}/ns`;
  using _netns = NetNs.create({ path });
  const start = performance.now();
  const attachment = await attach({ path }, options(change));
  const time = performance.now() - start;
  await (await attachment.release()).flowsEnded;
  return time;
}

async function againstC(
  bench: Bench,
  folder: string,
  inC: AttachInC | undefined,
): Promise<void> {
  if (inC === undefined) {
    bench.skip("attach against C", "there is no cc");
    return;
  }
  await bench.compare({
    name: "attach, against C that sends the same",
    ours: () => timeAttach(folder),
    async peer() {
      await settle();
      return inC(1)[0]!.attached;
    },
    goal: 1.3,
    rounds: ROUNDS,
  });
}

async function againstIp(bench: Bench, folder: string): Promise<void> {
  const ip = program("ip")!;
  let round = 0;
  await bench.compare({
    name: "attach, against ip -batch",
    ours: () => timeAttach(folder),
    async peer() {
      await settle();
      const name = `ipb${round++}`;
      using _netns = NetNs.create({ path: `/run/netns/${name}` });
      const start = performance.now();
      run(
        ip,
        ["-batch", "-"],
        [
          `link add ${name} type veth peer name eth0 netns ${name}`,
          `link set ${name} master ${BRIDGE} up alias ${name}`,
        ].join("\n"),
      );
      run(
        ip,
        ["-n", name, "-batch", "-"],
        [
          "link set lo up",
          "link set eth0 up",
          "addr add 10.55.0.2/16 dev eth0",
          "route add default via 10.55.0.1",
        ].join("\n"),
      );
      return performance.now() - start;
    },
    goal: 0.2,
    rounds: 11,
  });
}

const PORT = { hostAddress: "0.0.0.0", hostPort: 8080, targetPort: 80 };

async function againstCni(bench: Bench, folder: string): Promise<void> {
  if (program("portmap") === undefined) {
    bench.skip("attach + NAT + port against CNI", "there are no CNI plugins");
    return;
  }
  const network: CniNetwork = {
    cniVersion: "1.0.0",
    name: "bench-net",
    plugins: [
      {
        type: "bridge",
        bridge: "bench1",
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          dataDir: `${folder}/ipam`,
          ranges: [[{ subnet: "10.56.0.0/16" }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "portmap", capabilities: { portMappings: true }, snat: true },
    ],
  };
  const cache = `${folder}/cni`;
  const path = `${folder}/cni-ns`;
  await bench.compare({
    name:
      "attach + NAT + one port, against Debian's CNI chain (1.1.1, which execs)",
    ours: () =>
      timeAttach(folder, {
        masquerade: true,
        forwarding: true,
        publish: [PORT],
      }),
    async peer() {
      await settle();
      using _netns = NetNs.create({ path });
      const attachment = {
        containerId: "bench",
        netns: path,
        capabilities: {
          portMappings: [{
            hostPort: 8081,
            containerPort: 80,
            protocol: "tcp",
          }],
        },
      };
      const start = performance.now();
      await addToNetwork(network, attachment, { cache });
      const time = performance.now() - start;
      await removeFromNetwork(network, attachment, { cache });
      return time;
    },
    goal: 1 / 20,
    rounds: 8,
  });
}

async function teardown(bench: Bench, folder: string): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < 21; round++) {
    await settle();
    const path = `${folder}/ns`;
    const netns = NetNs.create({ path });
    netns.keep();
    netns.close();
    const attachment = await attach(
      { path },
      options({
        masquerade: true,
        publish: [PORT],
      }),
    );
    const start = performance.now();
    const { flowsEnded } = await attachment.release();
    removeNetNs(path);
    times.push(performance.now() - start);
    await flowsEnded;
  }
  times.sort((a, b) => a - b);
  bench.report("teardown of attach + NAT + one port", times[10]!, 1, "ms");
}

const MANY = 200;
const MANY_ROUNDS = 5;

/** Makes and attaches many namespaces; gives their paths, and how long each took. */
async function attachMany(
  folder: string,
): Promise<{ paths: string[]; laps: number[] }> {
  const paths = Array.from(
    { length: MANY },
    (_, index) => `${folder}/m${index}`,
  );
  const laps: number[] = [];
  for (const [index, path] of paths.entries()) {
    const lap = performance.now();
    using netns = NetNs.create({ path });
    netns.keep();
    await attach(
      netns,
      options({
        key: `m${index}`,
        address: `10.55.${1 + (index >> 7)}.${1 + (index & 127)}/16`,
      }),
    );
    laps.push(performance.now() - lap);
  }
  return { paths, laps };
}

/** The value that so large a part is not above. */
function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)]!;
}

/** How much longer the last 50 of each round took than the first 50; the middle one, as some wait for others. */
function growth(rounds: readonly number[][]): number {
  return quantile(rounds.flatMap((laps) => laps.slice(-50)), 0.5) /
    quantile(rounds.flatMap((laps) => laps.slice(0, 50)), 0.5);
}

/** How late a timer of a millisecond is, each time, while something runs. */
async function stallsWhile(work: () => Promise<unknown>): Promise<number[]> {
  const stalls: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    stalls.push(Math.max(0, now - last - 1));
    last = now;
  }, 1);
  await work();
  clearInterval(timer);
  return stalls;
}

/** Asks the kernel for what needs the lock that the ends of namespaces hold, until they are gone. */
async function askUntilGone(): Promise<void> {
  using route = new RouteSocket();
  let ends: Link[];
  do {
    ends = await route.request(listLinks({ kind: "veth", statistics: false }));
    await route.request(createLink({ kind: "ifb", name: "probe0" }));
    await route.request(deleteLink("probe0"));
  } while (ends.length > 0);
}

/**
 * What is sent for a namespace does not depend on those that are there; but what each says on the bridge, by IPv6, the
 * kernel floods to all others, and takes longer the more they are. And while many end the kernel may keep all
 * processors for a while, also from a program that asks for nothing. C shows both without us. A round has too few
 * ticks for its longest one in a hundred: there are several.
 */
async function many(
  bench: Bench,
  folder: string,
  inC: AttachInC | undefined,
): Promise<void> {
  const ours: number[][] = [];
  const theirs: number[][] = [];
  const asking: number[] = [];
  const idle: number[] = [];
  for (let round = 0; round < MANY_ROUNDS; round++) {
    await settle();
    const { paths, laps } = await attachMany(folder);
    ours.push(laps);
    for (const path of paths) removeNetNs(path);
    asking.push(...await stallsWhile(askUntilGone));
    if (inC === undefined) continue;
    await settle();
    theirs.push(inC(MANY).map(({ created, attached }) => created + attached));
    idle.push(
      ...await stallsWhile(() =>
        new Promise((resolve) => setTimeout(resolve, 200))
      ),
    );
  }
  const sum = (laps: number[]) => laps.reduce((all, lap) => all + lap, 0);
  bench.report(
    `${MANY} namespaces attached`,
    quantile(ours.map(sum), 0.5),
    600,
    "ms",
  );
  const flat = `the last 50 of ${MANY}, against the first 50, against C`;
  if (inC === undefined) bench.skip(flat, "there is no cc");
  else bench.report(flat, growth(ours) / growth(theirs), 1.3, "times");
  const stall = `longest stall but 1 % of the event loop while ${MANY} go`;
  bench.report(stall, quantile(asking, 0.99), 5, "ms");
  if (inC === undefined) return;
  await bench.compare({
    name: `${stall}, against one that asks for nothing`,
    ours: () => quantile(asking, 0.99),
    peer: () => quantile(idle, 0.99),
    rounds: 1,
  });
}

async function ports(bench: Bench): Promise<void> {
  using nat = new NatTable({ table: "bench" });
  const nft = program("nft")!;
  let port = 1;
  const spec = () => ({
    hostAddress: "127.0.0.1",
    hostPort: port++,
    target: "10.55.0.2",
    targetPort: 80,
  });
  await nat.publish(spec());
  await bench.compare({
    name: "publish one port, against nft",
    ours: () => nat.publish(spec()),
    peer: () =>
      run(nft, [
        "add",
        "element",
        "inet",
        "bench",
        "bound4",
        `{ tcp . 127.0.0.2 . ${port++} : 10.55.0.2 . 80 }`,
      ]),
    rounds: 21,
  });
  const start = performance.now();
  await nat.publish({ ...spec(), hostPort: 10_000, count: 300 });
  bench.report(
    "publish 300 ports in one go",
    performance.now() - start,
    20,
    "ms",
  );
  run(nft, ["delete", "table", "inet", "bench"]);
}

/**
 * Everything happens in a network namespace of its own: this thread goes there
 * for as long, and so do the programs it starts.
 */
export async function suite(bench: Bench): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "containerkit-bench-" });
  using home = openAt(undefined, "/proc/thread-self/ns/net");
  unshare(CloneFlag.NEWNET);
  try {
    using route = new RouteSocket();
    await route.batch([
      setLink(1, { up: true }),
      createLink({
        kind: "bridge",
        name: BRIDGE,
        up: true,
        address: "02:00:00:00:00:01",
      }),
    ]);
    // What comes by a port has to find its way.
    await route.request(addAddress(BRIDGE, "10.55.0.1/16"));
    writeSysctl("net.ipv4.ip_forward", "1");
    for (let round = 0; round < 30; round++) await timeAttach(folder);
    const inC = await attachInC(folder, BRIDGE);
    await againstC(bench, folder, inC);
    await againstIp(bench, folder);
    await againstCni(bench, folder);
    await teardown(bench, folder);
    await many(bench, folder, inC);
    await ports(bench);
  } finally {
    setNs(home, CloneFlag.NEWNET);
    await Deno.remove(folder, { recursive: true });
  }
}
