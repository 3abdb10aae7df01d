import { listContainers } from "@containerkit/execution";
import {
  type AttachmentInfo,
  listAttachments,
  pruneAttachments,
} from "@containerkit/network";
import type { Command, Context } from "../command.ts";
import { existing } from "../containers.ts";
import { subnetOf } from "../ipam.ts";

/** Whether an attachment is of this state folder: others have other bridges and addresses. */
function isOurs({ state }: Context): (attachment: AttachmentInfo) => boolean {
  const { bridge, prefix } = subnetOf(state);
  return (attachment) =>
    attachment.bridge === bridge ||
    attachment.published.some(({ target }) => target.startsWith(`${prefix}.`));
}

export const networkLs: Command = {
  name: "network ls",
  usage: "",
  summary: "list what is on the bridge, and the published ports",
  async run(_args, context) {
    const attachments = (await listAttachments({ signal: context.signal }))
      .filter(isOurs(context));
    for (const { key, bridge, link, published } of attachments) {
      const ports = published.map((port) =>
        `${port.hostAddress}:${port.hostPort}->${port.target}:${port.targetPort}/${port.protocol}`
      );
      context.print(
        [key, bridge ?? "-", link ?? "-", ports.join(",") || "-"].join("\t"),
      );
    }
  },
};

export const networkPrune: Command = {
  name: "network prune",
  usage: "",
  summary: "remove what containers that are no more left on the network",
  async run(_args, context) {
    const ids = new Set(
      listContainers(await existing(context)).map(({ id }) => id),
    );
    const ours = isOurs(context);
    const { keys, bridges } = await pruneAttachments(
      (attachment) => !ours(attachment) || ids.has(attachment.key),
      { signal: context.signal },
    );
    for (const name of [...keys, ...bridges]) context.print(name);
  },
};
