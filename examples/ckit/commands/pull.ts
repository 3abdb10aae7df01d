import { type Command, UsageError } from "../command.ts";
import { downloadImage, pullImage } from "../images.ts";
import { readAdmit } from "../signing.ts";
import { openContent, openSnapshots } from "../stores.ts";

export const pull: Command = {
  name: "pull",
  usage:
    "[--snapshotter NAME] [--platform OS/ARCH] [--policy FILE | --key FILE...] [--plain-http] REF",
  summary: "fetch an image from its registry and unpack it",
  booleans: ["plain-http"],
  strings: ["snapshotter", "platform", "policy"],
  lists: ["key"],
  async run(args, context) {
    const [reference] = args.words;
    if (reference === undefined || args.words.length !== 1) {
      throw new UsageError("ckit pull takes one reference");
    }
    const platform = args.string("platform");
    const admit = await readAdmit(args);
    const options = {
      plainHttp: args.flag("plain-http"),
      ...(platform === undefined ? {} : { platform }),
      ...(admit === undefined ? {} : { admit }),
    };
    using content = await openContent(context);
    if (Deno.uid() !== 0) {
      const { name, image } = await downloadImage(
        context,
        reference,
        content,
        options,
      );
      context.print(`${name}@${image.root.digest}`);
      context.warn("fetched, and not unpacked: that needs root");
      return;
    }
    await using snapshots = await openSnapshots(
      context,
      args.string("snapshotter"),
    );
    const { name, image } = await pullImage(
      context,
      reference,
      { content, snapshots },
      options,
    );
    context.print(`${name}@${image.root.digest}`);
  },
};
