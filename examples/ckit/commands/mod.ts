import type { Command } from "../command.ts";

/** The commands of one file. */
interface CommandFile {
  /** The first words of their names. */
  readonly words: readonly string[];
  load(): Promise<readonly Command[]>;
}

/** Loaded when one is called: with all of them ckit takes longer to start than most commands take. */
const FILES: readonly CommandFile[] = [
  {
    words: ["convert", "export", "import", "load", "save"],
    load: async () => (await import("./archive.ts")).archives,
  },
  {
    words: ["commit"],
    load: async () => [(await import("./commit.ts")).commit],
  },
  {
    words: ["content"],
    load: async () => (await import("./content.ts")).content,
  },
  {
    words: ["cp"],
    load: async () => [(await import("./cp.ts")).cp],
  },
  {
    words: ["exec"],
    load: async () => [(await import("./exec.ts")).exec],
  },
  {
    words: ["images", "rmi", "tag"],
    load: async () => Object.values(await import("./images.ts")),
  },
  {
    words: ["inspect"],
    load: async () => [(await import("./inspect.ts")).inspect],
  },
  {
    words: ["key"],
    load: async () => (await import("./key.ts")).keys,
  },
  {
    words: [
      "attach",
      "kill",
      "pause",
      "resume",
      "start",
      "stop",
      "unpause",
      "wait",
    ],
    load: async () => (await import("./lifecycle.ts")).lifecycle,
  },
  {
    words: ["logs"],
    load: async () => [(await import("./logs.ts")).logs],
  },
  {
    words: ["mount"],
    load: async () => (await import("./mount.ts")).mounts,
  },
  {
    words: ["network"],
    load: async () => (await import("./network.ts")).network,
  },
  {
    words: ["ps"],
    load: async () => [(await import("./ps.ts")).ps],
  },
  {
    words: ["pull"],
    load: async () => [(await import("./pull.ts")).pull],
  },
  {
    words: ["push"],
    load: async () => [(await import("./push.ts")).push],
  },
  {
    words: [
      "catalog",
      "copy",
      "delete",
      "login",
      "logout",
      "manifest",
      "referrers",
      "registry",
      "tags",
    ],
    load: async () => (await import("./registry.ts")).registry,
  },
  {
    words: ["rm"],
    load: async () => [(await import("./rm.ts")).rm],
  },
  {
    words: ["create", "run"],
    load: async () => Object.values(await import("./run.ts")),
  },
  {
    words: ["sign", "verify"],
    load: async () => (await import("./sign.ts")).signing,
  },
  {
    words: ["snapshot"],
    load: async () => (await import("./snapshot.ts")).snapshots,
  },
  {
    words: ["system"],
    load: async () => (await import("./system.ts")).system,
  },
  {
    words: ["top"],
    load: async () => [(await import("./top.ts")).top],
  },
  {
    words: ["update"],
    load: async () => [(await import("./update.ts")).update],
  },
  {
    words: ["version"],
    load: async () => [(await import("./version.ts")).version],
  },
  {
    words: ["volume"],
    load: async () => (await import("./volume.ts")).volume,
  },
  {
    words: ["events", "stats"],
    load: async () => Object.values(await import("./watch.ts")),
  },
];

/** The commands whose names may begin with a word: those of its file. */
export async function loadCommands(word: string): Promise<readonly Command[]> {
  const file = FILES.find(({ words }) => words.includes(word));
  return await file?.load() ?? [];
}

/** Loads all commands there are. */
export async function loadAllCommands(): Promise<readonly Command[]> {
  return (await import("./all.ts")).commands;
}

/** The first words of all commands. */
export const WORDS: readonly string[] = FILES.flatMap(({ words }) => words);
