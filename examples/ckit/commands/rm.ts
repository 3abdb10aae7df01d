import { deleteContainer, listContainers } from "@containerkit/execution";
import { type Command, UsageError, withEach } from "../command.ts";
import { readSandbox, removeSandbox } from "../sandbox.ts";

export const rm: Command = {
  name: "rm",
  usage: "[--force] ID...",
  summary: "remove containers, with their changes",
  booleans: ["force"],
  alias: { f: "force" },
  async run(args, context) {
    if (args.words.length === 0) throw new UsageError("ckit rm takes an id");
    const force = args.flag("force");
    return await withEach(args.words, context, async (id) => {
      if (readSandbox(context, id) === undefined) {
        throw new Deno.errors.NotFound(
          `Cannot remove container "${id}": there is no such container`,
        );
      }
      if (!force && !listContainers(context).some((info) => info.id === id)) {
        throw new Deno.errors.Busy(
          `Cannot remove container "${id}": it is being made, or its ckit was killed before it was; --force removes it`,
        );
      }
      await deleteContainer(id, { state: context.state, force });
      await removeSandbox(context, id);
      context.print(id);
    });
  },
};
