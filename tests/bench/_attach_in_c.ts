import {
  addAddress,
  addRoute,
  createLink,
  getLink,
  MessageWriter,
  type RouteRequest,
  RouteSocket,
  setLink,
} from "@containerkit/network";
import { program } from "../need.ts";
import { run } from "./_run.ts";

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
async function messages(bridgeName: string): Promise<Uint8Array[]> {
  using route = new RouteSocket();
  const bridge = (await route.request(getLink(bridgeName)))!.index;
  const { address, gateway } = {
    address: "10.55.0.2/16",
    gateway: "10.55.0.1",
  };
  return [
    [getLink(bridgeName)],
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
 * It attaches so many namespaces as it is told, prints for each how long making
 * and attaching it took, and removes them.
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
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e3 + t.tv_nsec / 1e6; }
static void place(char *path, int number) { snprintf(path, 4096, "${path}-%d", number); }
static void create(const char *path) {
  int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (unshare(CLONE_NEWNET)) die("unshare");
  close(open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (mount("/proc/thread-self/ns/net", path, 0, MS_BIND, 0)) die("mount");
  if (setns(home, CLONE_NEWNET)) die("setns");
  close(home);
}
static void attach(const char *path, int number) {
  int ns = open(path, O_RDONLY | O_CLOEXEC);
  int outer = nl(), back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (setns(back, CLONE_NEWNET) || setns(ns, CLONE_NEWNET)) die("setns");
  int inner = nl();
  if (setns(back, CLONE_NEWNET)) die("setns");
  close(back);
  char name[11];
  snprintf(name, sizeof name, "%06d%04d", getpid() % 1000000, number);
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
}
int main(int argc, char **argv) {
  static char path[4096];
  int count = atoi(argv[1]);
  for (int i = 0; i < count; i++) {
    place(path, i);
    double a = now();
    create(path);
    double b = now();
    attach(path, i);
    printf("%f %f\\n", b - a, now() - b);
  }
  for (int i = 0; i < count; i++) {
    place(path, i);
    if (umount2(path, MNT_DETACH) || unlink(path)) die("unpin");
  }
}
`;
}

/** How long the C program takes for each of so many: to make it, and to attach it. */
export type AttachInC = (
  count: number,
) => { created: number; attached: number }[];

/** Compiles it to attach to a bridge as `attach()` does; `undefined` without a compiler. */
export async function attachInC(
  folder: string,
  bridge: string,
): Promise<AttachInC | undefined> {
  const compiler = program("cc");
  if (compiler === undefined) return undefined;
  const file = `${folder}/attach.c`;
  await Deno.writeTextFile(
    file,
    source(await messages(bridge), `${folder}/c-ns`),
  );
  run(compiler, ["-O2", "-o", `${folder}/attach`, file]);
  return (count) =>
    run(`${folder}/attach`, [String(count)]).trimEnd().split("\n")
      .map((line) => {
        const [created, attached] = line.split(" ").map(Number);
        return { created: created!, attached: attached! };
      });
}
