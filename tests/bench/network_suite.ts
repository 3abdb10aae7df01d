import { CloneFlag, openAt, setNs, unshare } from "@containerkit/libc";
import {
  addAddress,
  addRoute,
  attach,
  type AttachOptions,
  createLink,
  deleteLink,
  getLink,
  type Link,
  listLinks,
  MessageWriter,
  NatTable,
  NetNs,
  removeNetNs,
  type RouteRequest,
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
import type { Bench } from "./bench.ts";

const BRIDGE = "bench0";
const ROUNDS = 41;

function run(command: string, args: readonly string[], input = ""): string {
  const file = Deno.makeTempFileSync();
  Deno.writeTextFileSync(file, input);
  try {
    const { success, stdout, stderr } = new Deno.Command("sh", {
      args: ["-c", `exec "$0" "$@" <${file}`, command, ...args],
    }).outputSync();
    const decoder = new TextDecoder();
    if (!success) throw new Error(`${command}: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  } finally {
    Deno.removeSync(file);
  }
}

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

const NAME = "vethABCDEFGHIJ";
const NLM_F_REQUEST_ACK = 5;

/** Messages as they are sent together. */
function frame(
  requests: readonly RouteRequest<unknown>[],
  bridge: number,
): Uint8Array {
  const writer = new MessageWriter();
  for (const [sequence, request] of requests.entries()) {
    const flags = request.flags | NLM_F_REQUEST_ACK;
    writer.begin({ type: request.type, flags, sequence });
    request.body(writer, (link) => typeof link === "number" ? link : bridge);
    writer.end();
  }
  return writer.bytes.slice();
}

/** What attach() sends, in order; the first two from the host, the others inside. */
async function messages(): Promise<Uint8Array[]> {
  using route = new RouteSocket();
  const bridge = (await route.request(getLink(BRIDGE)))!.index;
  const { address, gateway } = {
    address: "10.55.0.2/16",
    gateway: "10.55.0.1",
  };
  return [
    [getLink(BRIDGE)],
    [
      createLink({
        kind: "veth",
        name: NAME,
        master: bridge,
        up: true,
        peer: { name: "eth0", netns: { fd: 0 } },
      }),
      setLink(NAME, { alias: "containerkit:key:12345" }),
    ],
    [
      setLink(1, { up: true }),
      setLink(2, { up: true }),
      addAddress(2, address),
      addRoute({ destination: "0.0.0.0/0", gateway, link: 2 }),
    ],
  ].map((requests) => frame(requests, bridge));
}

/** Places of bytes in others. */
function places(bytes: Uint8Array, wanted: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) {
      found.push(at);
    }
  }
  return found;
}

/**
 * A C program that makes the same calls with the same bytes: only the name of
 * the link, the descriptor of the namespace and the order of sockets are its own.
 */
function source(sent: readonly Uint8Array[], path: string): string {
  const pair = 1;
  const names = places(sent[pair]!, new TextEncoder().encode(NAME));
  // IFLA_NET_NS_FD: length 8, type 28.
  const [fd] = places(sent[pair]!, Uint8Array.of(8, 0, 28, 0));
  const steps = sent.map((bytes, index) =>
    `  { ${index > pair ? 1 : 0}, ${bytes.length}, (unsigned char[]){${
      bytes.join(",")
    }} },`
  );
  return `
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static struct { int inside, size; unsigned char *bytes; } steps[] = {
${steps.join("\n")}
};
static unsigned char buffer[65536];
static void die(const char *what) { perror(what); exit(1); }
static int nl(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_nl address = { .nl_family = AF_NETLINK };
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, 4);
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, 4);
  setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, 4);
  if (bind(fd, (void *)&address, 12) || connect(fd, (void *)&address, 12)) die("netlink");
  return fd;
}
static void talk(int fd, unsigned char *bytes, int size) {
  int left = 0;
  for (int at = 0; at < size; at += NLMSG_ALIGN(*(unsigned *)(bytes + at))) left++;
  if (send(fd, bytes, size, 0) < 0) die("send");
  while (left > 0) {
    int n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0) die("recv");
    for (struct nlmsghdr *h = (void *)buffer; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      if (h->nlmsg_type != NLMSG_ERROR) continue;
      left--;
      int code = ((struct nlmsgerr *)NLMSG_DATA(h))->error;
      if (code) { fprintf(stderr, "refused: %s\\n", strerror(-code)); exit(1); }
    }
  }
}
int main(void) {
  struct timespec a, b;
  int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (unshare(CLONE_NEWNET)) die("unshare");
  close(open("${path}", O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (mount("/proc/thread-self/ns/net", "${path}", 0, MS_BIND, 0)) die("mount");
  if (setns(home, CLONE_NEWNET)) die("setns");
  clock_gettime(CLOCK_MONOTONIC, &a);
  int ns = open("${path}", O_RDONLY | O_CLOEXEC);
  int outer = nl(), back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (setns(back, CLONE_NEWNET) || setns(ns, CLONE_NEWNET)) die("setns");
  int inner = nl();
  if (setns(back, CLONE_NEWNET)) die("setns");
  close(back);
  char name[11];
  snprintf(name, sizeof name, "%010d", getpid());
  for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
    if (i == ${pair}) {
${
    names.map((at) => `      memcpy(steps[i].bytes + ${at + 4}, name, 10);`)
      .join("\n")
  }
      memcpy(steps[i].bytes + ${fd! + 4}, &ns, 4);
    }
    talk(steps[i].inside ? inner : outer, steps[i].bytes, steps[i].size);
  }
  close(inner); close(outer); close(ns);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%f\\n", (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6);
  if (umount2("${path}", MNT_DETACH) || unlink("${path}")) die("unpin");
}
`;
}

async function againstC(bench: Bench, folder: string): Promise<void> {
  const compiler = program("cc");
  if (compiler === undefined) {
    bench.skip("attach against C", "there is no cc");
    return;
  }
  const path = `${folder}/c-ns`;
  const file = `${folder}/attach.c`;
  await Deno.writeTextFile(file, source(await messages(), path));
  run(compiler, ["-O2", "-o", `${folder}/attach`, file]);
  await bench.compare({
    name: "attach, against C that sends the same",
    ours: () => timeAttach(folder),
    async peer() {
      await settle();
      return Number(run(`${folder}/attach`, []));
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

async function many(bench: Bench, folder: string): Promise<void> {
  await settle();
  const count = 200;
  const paths = Array.from(
    { length: count },
    (_, index) => `${folder}/m${index}`,
  );
  const laps: number[] = [];
  const start = performance.now();
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
  bench.report(
    `${count} namespaces attached`,
    performance.now() - start,
    600,
    "ms",
  );
  const mean = (list: number[]) =>
    list.reduce((sum, value) => sum + value, 0) / list.length;
  bench.report(
    "the last 50 of them, against the first 50",
    mean(laps.slice(-50)) / mean(laps.slice(0, 50)),
    1.3,
    "times",
  );
  // All of them go at once, while the event loop is watched and the kernel is asked.
  const stalls: number[] = [];
  using route = new RouteSocket();
  for (const path of paths) removeNetNs(path);
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    stalls.push(Math.max(0, now - last - 1));
    last = now;
  }, 1);
  let ends: Link[];
  do {
    ends = await route.request(listLinks({ kind: "veth", statistics: false }));
    await route.request(createLink({ kind: "ifb", name: "probe0" }));
    await route.request(deleteLink("probe0"));
  } while (ends.length > 0);
  clearInterval(timer);
  stalls.sort((a, b) => a - b);
  bench.report(
    `longest stall but 1 % of the event loop while ${count} go`,
    stalls[Math.floor(stalls.length * 0.99)] ?? 0,
    5,
    "ms",
  );
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
    writeSysctl("net.ipv4.ip_forward", "1");
    for (let round = 0; round < 30; round++) await timeAttach(folder);
    await againstC(bench, folder);
    await againstIp(bench, folder);
    await againstCni(bench, folder);
    await teardown(bench, folder);
    await many(bench, folder);
    await ports(bench);
  } finally {
    setNs(home, CloneFlag.NEWNET);
    await Deno.remove(folder, { recursive: true });
  }
}
