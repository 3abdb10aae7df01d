import { listMounts } from "./list_mounts.ts";

const MAX_HOLDERS = 8;

function readLink(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}

function names(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch {
    return [];
  }
}

/**
 * Who uses a mount, in words, as far as /proc shows it.
 *
 * @param pid Looks at the mounts of that process: paths are those of its namespace then, and so are the holders.
 */
export function findHolders(target: string, pid?: number): string | undefined {
  const namespace = pid === undefined
    ? undefined
    : readLink(`/proc/${pid}/ns/mnt`);
  const isInside = (path: string) =>
    path === target || path.startsWith(`${target}/`);
  const holders: string[] = [];
  for (const process of names("/proc").filter((name) => /^\d+$/.test(name))) {
    const folder = `/proc/${process}`;
    if (namespace !== undefined && readLink(`${folder}/ns/mnt`) !== namespace) {
      continue;
    }
    const uses = ["cwd", "root", "exe"].map((name) => `${folder}/${name}`);
    const fds = names(`${folder}/fd`).map((fd) => `${folder}/fd/${fd}`);
    if (![...uses, ...fds].some((path) => isInside(readLink(path)))) continue;
    let name = "";
    try {
      name = Deno.readTextFileSync(`${folder}/comm`).trim();
    } catch {
      continue; // it ended
    }
    holders.push(`${process} (${name})`);
  }
  const below = listMounts({
    under: target,
    ...(pid === undefined ? {} : { pid }),
  })
    .filter((mount) => mount.target !== target);
  const reasons = [
    ...(holders.length > 0
      ? [`process ${holders.slice(0, MAX_HOLDERS).join(", ")}`]
      : []),
    ...(below.length > 0 ? [`a mount on "${below[0]!.target}"`] : []),
  ];
  return reasons.length === 0 ? undefined : `used by ${reasons.join(" and ")}`;
}
