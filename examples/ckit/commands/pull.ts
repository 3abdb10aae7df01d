import type { Command } from "../command.ts";
import { pullImage } from "../images.ts";
import { openContent, openSnapshots } from "../stores.ts";

export const pull: Command = {
  name: "pull",
  usage: "[--snapshotter NAME] [--platform OS/ARCH] [--plain-http] REF",
  summary: "fetch an image from its registry and unpack it",
  booleans: ["plain-http"],
  strings: ["snapshotter", "platform"],
  async run(args, context) {
    const [reference] = args.words;
    if (reference === undefined || args.words.length !== 1) {
      throw new TypeError("ckit pull takes one reference");
    }
    const platform = args.string("platform");
    using content = await openContent(context);
    await using snapshots = await openSnapshots(
      context,
      args.string("snapshotter"),
    );
    const { name, image } = await pullImage(
      context,
      reference,
      { content, snapshots },
      {
        plainHttp: args.flag("plain-http"),
        ...(platform === undefined ? {} : { platform }),
      },
    );
    context.print(`${name}@${image.root.digest}`);
  },
};
