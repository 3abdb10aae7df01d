import { listAttachments, pruneAttachments } from "@containerkit/network";
import type { Command, Context } from "../command.ts";
import { bridgeOf } from "../ipam.ts";
import { listSandboxes } from "../sandbox_record.ts";

/** The id of the container that an attachment is of, if it is one of this state folder. */
function idOf({ state }: Context, key: string): string | undefined {
  const prefix = `${bridgeOf(state)}@`;
  return key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
}

const ls: Command = {
  name: "network ls",
  usage: "",
  summary: "list containers on the bridge: id, bridge, link, published ports",
  most: 0,
  async run(_args, context) {
    const { signal, print } = context;
    for (const attachment of await listAttachments({ signal })) {
      const { key, bridge, link, published } = attachment;
      const id = idOf(context, key);
      if (id === undefined) continue;
      const ordered = published.toSorted((a, b) => a.hostPort - b.hostPort);
      const ports = ordered.map((port) =>
        `${port.hostAddress}:${port.hostPort}->${port.targetPort}/${port.protocol}`
      );
      const words = [id, bridge ?? "-", link ?? "-", ports.join(",") || "-"];
      print(words.join("\t"));
    }
  },
};

const prune: Command = {
  name: "network prune",
  usage: "",
  summary: "remove what containers that are no more left on the network",
  most: 0,
  async run(_args, context) {
    const ids = new Set(listSandboxes(context).map(({ id }) => id));
    const { keys, bridges } = await pruneAttachments(({ key }) => {
      const id = idOf(context, key);
      return id === undefined || ids.has(id);
    }, { signal: context.signal });
    const names = keys.map((key) => idOf(context, key) ?? key);
    for (const name of [...names, ...bridges]) context.print(name);
  },
};

/** What is on the bridge. */
export const network: readonly Command[] = [ls, prune];
