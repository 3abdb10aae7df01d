import { waitId } from "@containerkit/libc";

/** What a test may not leave behind: each list holds one line per thing. */
export type Inventory = Readonly<Record<string, ReadonlySet<string>>>;

function readDir(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map((entry) => entry.name);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function mounts(): string[] {
  return readText("/proc/self/mountinfo").split("\n")
    .map((line) => line.split(" ").slice(3, 5).join(" on "))
    .filter((line) => line !== "");
}

/** Only those of this machine's temporary folders: other programs have their own. */
function loops(): string[] {
  return readDir("/sys/block").filter((name) => name.startsWith("loop"))
    .map((name) => readText(`/sys/block/${name}/loop/backing_file`).trim())
    .filter((file) => file.includes("containerkit-"));
}

const CGROUPS = "/sys/fs/cgroup";
/** Where this process is, in each hierarchy. */
const OWN = readText("/proc/self/cgroup").split("\n")
  .map((line) => line.replace(/^[^/]*/, "")).filter((path) => path.length > 1);

/** Whether it is above the cgroup of this process: what else is in it belongs to whoever started the tests. */
function isAboveOwn(path: string): boolean {
  // Below the root of cgroup v2, or of a hierarchy of v1 in it.
  const below = path.slice(CGROUPS.length);
  const places = [below, below.replace(/^\/[^/]*/, "")];
  return places.some((place) =>
    place !== "" && OWN.some((own) => own.startsWith(`${place}/`))
  );
}

function isOwn(path: string): boolean {
  return isAboveOwn(path) ||
    OWN.some((own) => path.endsWith(own));
}

function cgroups(): string[] {
  const list: string[] = [];
  const walk = (path: string, depth: number) => {
    const isShared = isAboveOwn(path);
    try {
      for (const entry of Deno.readDirSync(path)) {
        const child = `${path}/${entry.name}`;
        if (!entry.isDirectory || isShared && !isOwn(child)) continue;
        list.push(child);
        if (depth > 0) walk(child, depth - 1);
      }
    } catch {
      // It went while we looked.
    }
  };
  walk(CGROUPS, 3);
  return list;
}

/**
 * Reaps what other programs left to this process, which is a subreaper once it
 * has run a container: a zombie that is there for a second is not the runtime's own.
 */
function reapOrphan(pid: number): void {
  const since = zombies.get(pid);
  if (since === undefined) zombies.set(pid, Date.now());
  else if (Date.now() - since > 1000) {
    waitId(pid);
    zombies.delete(pid);
  }
}
const zombies = new Map<number, number>();

/** Descendants of this process, zombies too. */
function processes(): string[] {
  const parents = new Map<number, { parent: number; name: string }>();
  for (const name of readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readText(`/proc/${name}/stat`);
    const end = stat.lastIndexOf(")");
    const [state, ppid] = stat.slice(end + 2).split(" ");
    const parent = Number(ppid);
    if (state === "Z" && parent === Deno.pid) reapOrphan(Number(name));
    parents.set(Number(name), {
      parent,
      name: stat.slice(stat.indexOf("(") + 1, end),
    });
  }
  const isOurs = (pid: number): boolean => {
    for (
      let at = parents.get(pid);
      at !== undefined;
      at = parents.get(at.parent)
    ) {
      if (at.parent === Deno.pid) return true;
    }
    return false;
  };
  return [...parents].filter(([pid]) => isOurs(pid)).map(([pid, { name }]) =>
    `${pid} ${name}`
  );
}

function descriptors(): string[] {
  return readDir("/proc/self/fd").map((fd) => {
    try {
      return `${fd} -> ${Deno.readLinkSync(`/proc/self/fd/${fd}`)}`;
    } catch {
      return "";
    }
  }).filter((line) => line !== "" && !line.includes("/proc/"));
}

/** Lists what is there now. */
export function takeInventory(): Inventory {
  return {
    mount: new Set(mounts()),
    netns: new Set(readDir("/run/netns")),
    link: new Set(
      readText("/proc/self/net/dev").split("\n").slice(2).map((line) =>
        line.split(":")[0]!.trim()
      ).filter((name) => name !== ""),
    ),
    loop: new Set(loops()),
    cgroup: new Set(cgroups()),
    process: new Set(processes()),
    descriptor: new Set(descriptors()),
  };
}

const EVENT_REGEXP = /^descriptor \d+ -> anon_inode:\[(eventfd|eventpoll)\]$/;

/** The runtime closes the loop of a thread that has ended when the next one starts: one pair may be left. */
function isLastThread(line: string, left: readonly string[]): boolean {
  const kind = EVENT_REGEXP.exec(line)?.[1];
  return kind !== undefined &&
    left.filter((other) => EVENT_REGEXP.exec(other)?.[1] === kind).length === 1;
}

/**
 * Waits until nothing is there that was not there before; the kernel takes its time for some.
 *
 * @throws {Error} If something is still there after twenty seconds, with the list.
 */
export async function waitForInventory(before: Inventory): Promise<void> {
  for (const end = Date.now() + 20_000;;) {
    const now = takeInventory();
    const left = Object.entries(now).flatMap(([kind, things]) =>
      [...things].filter((thing) => !before[kind]!.has(thing)).map((thing) =>
        `${kind} ${thing}`
      )
    );
    if (left.every((line) => isLastThread(line, left))) return;
    if (Date.now() > end) {
      throw new Error(`The test left behind:\n  ${left.join("\n  ")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
