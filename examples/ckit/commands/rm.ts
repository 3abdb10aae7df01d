import { deleteContainer } from "@containerkit/execution";
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
    return await withEach(args.words, context, async (id) => {
      if (readSandbox(context, id) === undefined) {
        throw new Deno.errors.NotFound(
          `Cannot remove container "${id}": there is no such container`,
        );
      }
      await deleteContainer(id, {
        state: context.state,
        force: args.flag("force"),
      });
      await removeSandbox(context, id);
      context.print(id);
    });
  },
};
