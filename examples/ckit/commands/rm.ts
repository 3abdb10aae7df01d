import { deleteContainer, listContainers } from "@containerkit/execution";
import { type Command, UsageError, withEach } from "../command.ts";
import { findId } from "../containers.ts";
import { removeSandbox } from "../sandbox.ts";
import { listSandboxes } from "../sandbox_record.ts";

export const rm: Command = {
  name: "rm",
  usage: "[--force] ID...",
  summary: "remove containers, with their changes",
  booleans: ["force"],
  alias: { f: "force" },
  async run(args, context) {
    if (args.words.length === 0) throw new UsageError("ckit rm takes an id");
    const force = args.flag("force");
    return await withEach(args.words, context, async (word) => {
      const id = findId(listSandboxes(context).map(({ id }) => id), word);
      const info = listContainers(context).find((one) => one.id === id);
      const why = info === undefined
        ? "it is being made, or its ckit was killed before it was"
        : info.state === "stopped" || info.state === "created"
        ? undefined
        : `it is ${info.state}; ckit stop ends it`;
      if (!force && why !== undefined) {
        throw new Deno.errors.Busy(
          `Cannot remove container "${id}": ${why}; --force removes it`,
        );
      }
      // Of one that was only created nothing runs that anybody started.
      const unstarted = info?.state === "created";
      await deleteContainer(id, {
        state: context.state,
        force: force || unstarted,
      });
      await removeSandbox(context, id);
      context.print(id);
    });
  },
};
