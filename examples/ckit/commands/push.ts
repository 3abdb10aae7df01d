import {
  fileUploadState,
  openImage,
  push as pushImage,
} from "@containerkit/distribution";
import { openClient } from "../client.ts";
import { type Command, UsageError } from "../command.ts";
import { fullName, requireImage } from "../images.ts";
import { withProgress } from "../progress.ts";
import { openContent } from "../stores.ts";

export const push: Command = {
  name: "push",
  usage: "[--plain-http] REF [TARGET]",
  summary: "send a stored image to a registry, under its own or another name",
  most: 2,
  booleans: ["plain-http"],
  async run(args, context) {
    const [reference, target = reference] = args.words;
    if (reference === undefined || target === undefined) {
      throw new UsageError("ckit push takes a reference");
    }
    using content = await openContent(context);
    const name = fullName(reference);
    const { descriptor } = await requireImage(content, name, "push");
    const image = await openImage(content, descriptor);
    using client = openClient({ plainHttp: args.flag("plain-http") });
    const { digest } = await withProgress((onProgress) =>
      pushImage(image, fullName(target), {
        client,
        // One that was broken off goes on where the registry has it.
        uploads: fileUploadState(`${context.root}/uploads`),
        onProgress,
        signal: context.signal,
      })
    );
    context.print(`${fullName(target)}@${digest}`);
  },
};
