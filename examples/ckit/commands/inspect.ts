import { openImage } from "@containerkit/distribution";
import {
  type ContainerInfo,
  listContainers,
  openContainer,
} from "@containerkit/execution";
import { listAttachments } from "@containerkit/network";
import {
  type Command,
  type Context,
  UsageError,
  withEach,
} from "../command.ts";
import { existing, findId } from "../containers.ts";
import { fullName } from "../images.ts";
import { addressesOf } from "../ipam.ts";
import { keyOf } from "../sandbox.ts";
import {
  isOnBridge,
  readSandbox,
  type SandboxRecord,
} from "../sandbox_record.ts";
import { openContent } from "../stores.ts";

/** How a container reaches others, and they it. */
async function networkOf(
  context: Context,
  record: SandboxRecord,
): Promise<object> {
  const { id, network } = record;
  if (!isOnBridge(record)) return { mode: network };
  const { signal, state } = context;
  const key = keyOf(context, id);
  const found = (await listAttachments({ signal }))
    .find((attachment) => attachment.key === key);
  return {
    mode: network,
    address: addressesOf(state, id)[0],
    bridge: found?.bridge,
    link: found?.link,
    published: found?.published ?? [],
  };
}

async function describeContainer(
  context: Context,
  info: ContainerInfo,
): Promise<object> {
  const { id, bundle } = info;
  const sandbox = readSandbox(context, id);
  await using container = openContainer(id, context);
  const { log, runtime, cgroups } = container;
  return {
    kind: "container",
    ...info,
    ...(sandbox === undefined ? {} : {
      image: { name: sandbox.image, digest: sandbox.descriptor.digest },
      snapshotter: sandbox.snapshotter,
      network: await networkOf(context, sandbox),
    }),
    log,
    runtime,
    cgroups,
    spec: JSON.parse(Deno.readTextFileSync(`${bundle}/config.json`)),
  };
}

async function describeImage(context: Context, word: string): Promise<object> {
  using content = await openContent(context);
  const name = fullName(word);
  const stored = await content.images.get(name);
  if (stored === undefined) {
    throw new Deno.errors.NotFound(
      `Cannot inspect "${word}": there is no such container, and no stored image "${name}"`,
    );
  }
  const { complete, size, missing } = await content.images.check(name);
  // It may be for other machines, or not all be there.
  const image = await openImage(content, stored.descriptor)
    .catch(() => undefined);
  return {
    kind: "image",
    ...stored,
    size,
    complete,
    missing: missing.map(({ digest }) => digest),
    ...(image && {
      manifest: image.descriptor,
      layers: image.layers.map(({ digest, diffId, size, mediaType }) => ({
        digest,
        diffId,
        size,
        mediaType,
      })),
      config: image.config,
    }),
  };
}

const KINDS = ["container", "image"];

export const inspect: Command = {
  name: "inspect",
  usage: "[--type container|image] ID|REF...",
  summary: "show all that is known of containers and stored images, as JSON",
  strings: ["type"],
  async run(args, context) {
    const kind = args.string("type");
    if (kind !== undefined && !KINDS.includes(kind)) {
      throw new UsageError(`--type takes ${KINDS.join(" or ")}`);
    }
    if (args.words.length === 0) {
      throw new UsageError("ckit inspect takes a container or an image");
    }
    const containers = kind === "image"
      ? []
      : listContainers(await existing(context));
    const ids = containers.map(({ id }) => id);
    const found: object[] = [];
    const code = await withEach(args.words, context, async (word) => {
      const isContainer = kind === "container" || word === "" ||
        ids.some((id) => id.startsWith(word));
      if (!isContainer) {
        return void found.push(await describeImage(context, word));
      }
      const id = findId(ids, word);
      const info = containers.find((one) => one.id === id)!;
      found.push(await describeContainer(context, info));
    });
    context.print(JSON.stringify(found, null, 2));
    return code;
  },
};
