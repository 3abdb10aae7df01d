import { assertEquals } from "@std/assert";

const ROOT = new URL("..", import.meta.url).href;

/** What each package may import; the table of docs/design.md. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  libc: [],
  oci: [],
  tar: ["oci"],
  state: [],
  mount: ["libc"],
  content: ["oci", "state"],
  snapshot: ["libc", "oci", "tar", "state", "mount"],
  distribution: ["oci", "tar"],
  network: ["libc"],
  volume: ["libc", "state", "mount"],
  execution: ["libc", "oci", "state", "mount"],
};

interface Graph {
  modules: {
    specifier: string;
    dependencies?: {
      specifier: string;
      isDynamic?: boolean;
      code?: { specifier: string };
      type?: { specifier: string };
    }[];
  }[];
}

async function graph(entry: string): Promise<Graph> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    stdin: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

for (const [name, allowed] of Object.entries(ALLOWED)) {
  Deno.test(`@containerkit/${name} imports only ${allowed.join(", ") || "nothing"}, node: and @std`, async () => {
    const config = JSON.parse(
      await Deno.readTextFile(new URL(`${name}/deno.json`, ROOT)),
    );
    const wrong: string[] = [];
    for (const path of Object.values<string>(config.exports)) {
      const { modules } = await graph(new URL(`${name}/${path}`, ROOT).href);
      for (const module of modules) {
        const folder = module.specifier.slice(ROOT.length).split("/")[0]!;
        // Where JSR cannot be reached, @std comes from a folder below.
        const isOwn = module.specifier.startsWith(ROOT) && folder !== ".cache";
        if (isOwn) {
          if (folder !== name && !allowed.includes(folder)) {
            wrong.push(
              `${path} reaches ${module.specifier.slice(ROOT.length)}`,
            );
          }
          if (folder !== name) continue;
          for (const { specifier } of module.dependencies ?? []) {
            const fine = /^(node:|\.\.?\/|@std\/|jsr:@std\/)/.test(specifier) ||
              allowed.some((other) =>
                specifier === `@containerkit/${other}` ||
                specifier.startsWith(`@containerkit/${other}/`)
              );
            if (!fine) wrong.push(`${module.specifier} imports ${specifier}`);
          }
        }
      }
    }
    assertEquals(wrong, []);
  });
}

Deno.test("the monitor's program does not load all of @containerkit/mount: modules are memory", async () => {
  const { modules } = await graph(
    new URL("execution/monitor_main.ts", ROOT).href,
  );
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const loaded = new Set<string>();
  const load = (name: string) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const { code, isDynamic } of byName.get(name)?.dependencies ?? []) {
      if (code !== undefined && !isDynamic) load(code.specifier);
    }
  };
  load(new URL("execution/monitor_main.ts", ROOT).href);
  assertEquals(loaded.has(`${ROOT}mount/mod.ts`), false);
  assertEquals(loaded.has(`${ROOT}execution/run_monitor.ts`), true);
});
