import { openImage } from "@containerkit/distribution";
import { appendLayer } from "@containerkit/distribution/pack";
import { openContainer } from "@containerkit/execution";
import { type Command, UsageError } from "../command.ts";
import { findContainer } from "../containers.ts";
import { fullName } from "../images.ts";
import { readSandbox } from "../sandbox_record.ts";
import { openContent, openSnapshots } from "../stores.ts";

export const commit: Command = {
  name: "commit",
  usage: "[--no-pause] ID REF",
  summary: "store what a container changed as a layer on its image",
  most: 2,
  booleans: ["no-pause"],
  async run(args, context) {
    const [word, reference] = args.words;
    if (word === undefined || reference === undefined) {
      throw new UsageError("ckit commit takes a container and a reference");
    }
    const { signal } = context;
    const name = fullName(reference);
    const { id, state } = await findContainer(context, word);
    const sandbox = readSandbox(context, id);
    if (sandbox === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot commit container "${id}": it is not one of ckit's`,
      );
    }
    using content = await openContent(context);
    await using snapshots = await openSnapshots(context, sandbox.snapshotter);
    await using lease = await content.leases.create();
    const image = await openImage(lease.store, sandbox.descriptor);
    await using container = openContainer(id, context);
    await using undo = new AsyncDisposableStack();
    const work = undo.adopt(
      await snapshots.open(id),
      (work) => work.keep({ root: false }),
    );
    if (state === "running" && !args.flag("no-pause")) {
      await container.pause();
      undo.defer(() => container.resume());
    }
    const { readable: archive } = await work.diff({
      compression: "none",
      signal,
    });
    const made = await appendLayer(lease.store, image, {
      archive,
      history: { created_by: `ckit commit ${id}` },
      signal,
    });
    await content.images.create(name, made.root, { replace: true });
    context.print(`${name}@${made.root.digest}`);
  },
};
