import { echoOnce, roundTrip } from "./_traffic_test.ts";
import {
  addAddress,
  attach,
  type Attachment,
  type AttachOptions,
  createLink,
  deleteLink,
  NetNs,
  RouteSocket,
  setLink,
} from "./mod.ts";

/** Another machine: 198.51.100.2, on a wire with this one, which is 198.51.100.1. */
export async function openWorld(): Promise<NetNs & AsyncDisposable> {
  const world = NetNs.create();
  using route = new RouteSocket();
  using inner = new RouteSocket({ netns: world });
  await route.batch([
    createLink({
      kind: "veth",
      name: "uplink0",
      peer: { name: "eth0", netns: world },
    }),
    setLink("uplink0", { up: true }),
  ]);
  await inner.batch([setLink(1, { up: true }), setLink("eth0", { up: true })]);
  for (
    const [socket, link, host] of [[route, "uplink0", 1], [
      inner,
      "eth0",
      2,
    ]] as const
  ) {
    await socket.request(addAddress(link, `198.51.100.${host}/24`));
    await socket.request(addAddress(link, `2001:db8::${host}/64`));
  }
  return Object.assign(world, {
    async [Symbol.asyncDispose]() {
      using route = new RouteSocket();
      await route.request(deleteLink("uplink0"));
      world.close();
    },
  });
}

/** A bridge of containers that reach others, by both families. */
export const DUAL = {
  bridge: "ckt0",
  gateway: ["10.77.0.1", "fd77::1"],
  forwarding: true,
} as const;

/** Attaches the container of a number. */
export function join(
  netns: NetNs,
  host: number,
  options: Partial<AttachOptions> = {},
): Promise<Attachment> {
  return attach(netns, {
    ...DUAL,
    address: [`10.77.0.${host}/24`, `fd77::${host}/64`],
    ...options,
  });
}

/** Connects, and gives the address that the other end saw. */
export async function talk(
  from: NetNs,
  to: NetNs,
  { hostname, port = 80, listen = 80 }: {
    hostname: string;
    port?: number;
    listen?: number;
  },
): Promise<string> {
  const any = hostname.includes(":") ? "::" : "0.0.0.0";
  await using server = echoOnce(to, { hostname: any, port: listen });
  const seen = await roundTrip(from, { hostname, port });
  await server.done;
  return seen;
}
