import { openContainer } from "@containerkit/execution";
import type { Command } from "../command.ts";
import { findContainer, join, terminalOf } from "../containers.ts";
import { envOf } from "../pairs.ts";

export const exec: Command = {
  name: "exec",
  usage:
    "[-i] [-t] [-d] [-e K=V] [--env-file FILE] [-u USER] [-w DIR] [--privileged] ID CMD [ARG...]",
  summary: "run a further process in a container, and exit as it does",
  booleans: ["interactive", "tty", "detach", "privileged"],
  strings: ["user", "workdir"],
  lists: ["env", "env-file"],
  alias: {
    i: "interactive",
    t: "tty",
    d: "detach",
    e: "env",
    u: "user",
    w: "workdir",
  },
  stopEarly: true,
  async run(args, context) {
    const [word, ...command] = args.words;
    const { id } = await findContainer(context, word);
    const [interactive, terminal, detach] = [
      args.flag("interactive"),
      args.flag("tty"),
      args.flag("detach"),
    ];
    const user = args.string("user");
    const cwd = args.string("workdir");
    const output = detach ? "null" : "piped";
    await using container = openContainer(id, context);
    await using process = await container.exec(command, {
      stdin: interactive && !detach ? "piped" : "null",
      stdout: output,
      stderr: output,
      terminal: terminalOf(terminal && !detach),
      env: envOf(args),
      privileged: args.flag("privileged"),
      ...(user === undefined ? {} : { user }),
      ...(cwd === undefined ? {} : { cwd }),
      // What comes while it is started is handed on once it is there: it may run already, and decides what to do.
      ...(detach ? { signal: context.signal } : {}),
    });
    if (detach) {
      process.keep();
      return 0;
    }
    return await join(process, {
      interactive,
      terminal,
      // Its terminal is ckit's: it ends with it.
      leavable: false,
      signal: context.signal,
    }) ?? 0;
  },
};
