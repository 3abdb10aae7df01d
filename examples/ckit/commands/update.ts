import { openContainer } from "@containerkit/execution";
import { type Command, UsageError } from "../command.ts";
import { findContainer } from "../containers.ts";
import { RESOURCE_USAGE, resourceFlags, resourcesOf } from "../resources.ts";

export const update: Command = {
  name: "update",
  usage: `${RESOURCE_USAGE} ID`,
  summary: "change the limits of a container",
  most: 1,
  strings: resourceFlags,
  async run(args, context) {
    const { id } = await findContainer(context, args.words[0]);
    const resources = resourcesOf(args);
    if (Object.keys(resources).length === 0) {
      throw new UsageError("ckit update takes a limit");
    }
    await using container = openContainer(id, context);
    await container.update(resources, { signal: context.signal });
    context.print(id);
  },
};
