const ROOT = "/sys/fs/cgroup";

function folders(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => `${path}/${name}`);
  } catch {
    return []; // It has gone.
  }
}

/** Where a cgroup of that name is: at the root, and in each tree of cgroup v1. */
function places(name: string): string[] {
  return [ROOT, ...folders(ROOT)].map((tree) => `${tree}/${name}`)
    .filter((path) => {
      try {
        return Deno.statSync(path).isDirectory;
      } catch {
        return false;
      }
    });
}

function remove(path: string): void {
  for (const child of folders(path)) remove(child);
  try {
    Deno.removeSync(path);
  } catch {
    // Somebody else uses it.
  }
}

/** Removes at its end the empty cgroups of that name that a peer has made and leaves behind. */
export function peerCgroups(name: string): Disposable {
  const before = new Set(places(name));
  return {
    [Symbol.dispose]() {
      for (const path of places(name)) if (!before.has(path)) remove(path);
    },
  };
}
