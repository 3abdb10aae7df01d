/**
 * Builds a folder that `JSR_URL=file:///folder/` serves as a JSR registry, for
 * machines that cannot reach JSR: the stable `@std` packages out of npm's
 * `deno-std` (compiled JavaScript), with the types of `.ci/std_types`.
 *
 * `deno run -R -W build_mirror.ts <deno-std> <out> <types>`
 */
const [source, out, overlay] = Deno.args;
if (source === undefined || out === undefined || overlay === undefined) {
  throw new TypeError(
    "Cannot build the mirror: usage is <deno-std> <out> <types>",
  );
}

/** Above every real release of a 1.x package, so that any `^1.y` matches. */
const VERSION = "1.999.0";
const SPECIFIER_REGEXP =
  /(^\s*(?:import|export)\b[^"']*?\bfrom\s*|^\s*import\s*|\bimport\(\s*)"(\.\.?\/[^"]+)"/gm;

type Texts = Map<string, string>;

function listFiles(root: string, base = ""): string[] {
  const list: string[] = [];
  for (const entry of Deno.readDirSync(`${root}/${base}`)) {
    const path = base === "" ? entry.name : `${base}/${entry.name}`;
    if (entry.isDirectory) list.push(...listFiles(root, path));
    else if (/\.(js|d\.ts)$/.test(entry.name)) list.push(path);
  }
  return list.sort();
}

function isPublic(path: string): boolean {
  return path.endsWith(".js") &&
    !path.split("/").some((part) => part.startsWith("_"));
}

function kebab(path: string): string {
  return path.replace(/(\/mod)?\.js$/, "").replaceAll("_", "-");
}

/** Relative imports that leave the package become `jsr:`; a file whose target is not shipped is left out. */
function rewrite(
  folder: string,
  path: string,
  packages: ReadonlyMap<string, ReadonlySet<string>>,
): string | undefined {
  let missing = false;
  // TypeScript takes the parameters of a JavaScript function as optional only
  // if its JSDoc has no parameter tags.
  const text = Deno.readTextFileSync(`${source}/${folder}/${path}`)
    .replace(/^(\s*\*\s*)@param\b/gm, "$1@parameter")
    .replace(SPECIFIER_REGEXP, (all, head, specifier) => {
      const url = new URL(specifier, `file:///${folder}/${path}`);
      const [, name = "", ...rest] = url.pathname.split("/");
      if (name === folder) return all;
      const file = rest.join("/");
      if (!packages.get(name)?.has(file) || !isPublic(file)) {
        missing = true;
        return all;
      }
      const sub = file === "mod.js" ? "" : `/${kebab(file)}`;
      return `${head}"jsr:@std/${name.replaceAll("_", "-")}@^1${sub}"`;
    });
  return missing ? undefined : text;
}

/** Leaves out what imports a file that was left out, until nothing does. */
function prune(texts: Texts): void {
  for (let again = true; again;) {
    again = false;
    for (const [path, text] of texts) {
      for (const [, , specifier = ""] of text.matchAll(SPECIFIER_REGEXP)) {
        const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
        if (!specifier.startsWith(".") || texts.has(target)) continue;
        texts.delete(path);
        again = true;
        break;
      }
    }
  }
}

async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return `sha256-${sum.toHex()}`;
}

async function writePackage(folder: string, texts: Texts): Promise<void> {
  const name = folder.replaceAll("_", "-");
  const root = `${out}/@std/${name}`;
  const manifest: Record<string, { size: number; checksum: string }> = {};
  const exports: Record<string, string> = {};
  for (const [path, text] of texts) {
    const data = new TextEncoder().encode(text);
    const target = `${root}/${VERSION}/${path}`;
    Deno.mkdirSync(target.slice(0, target.lastIndexOf("/")), {
      recursive: true,
    });
    Deno.writeFileSync(target, data);
    manifest[`/${path}`] = { size: data.length, checksum: await sha256(data) };
    if (isPublic(path)) {
      exports[path === "mod.js" ? "." : `./${kebab(path)}`] = `./${path}`;
    }
  }
  Deno.writeTextFileSync(
    `${root}/${VERSION}_meta.json`,
    JSON.stringify({ manifest, exports }),
  );
  const versions = { [VERSION]: {} };
  Deno.writeTextFileSync(
    `${root}/meta.json`,
    JSON.stringify({ scope: "std", name, latest: VERSION, versions }),
  );
}

const packages = new Map<string, Set<string>>();
for (const entry of Deno.readDirSync(source)) {
  if (entry.isDirectory && entry.name !== "node_modules") {
    packages.set(entry.name, new Set(listFiles(`${source}/${entry.name}`)));
  }
}
const typed = new Set(listFiles(overlay));
for (const [folder, paths] of packages) {
  const texts: Texts = new Map();
  for (const path of paths) {
    const text = rewrite(folder, path, packages);
    if (text !== undefined) texts.set(path, text);
  }
  prune(texts);
  for (const [path, text] of [...texts]) {
    const types = path.replace(/\.js$/, ".d.ts");
    if (!typed.has(`${folder}/${types}`)) continue;
    const base = types.slice(types.lastIndexOf("/") + 1);
    texts.set(path, `// @ts-self-types="./${base}"\n${text}`);
    texts.set(types, Deno.readTextFileSync(`${overlay}/${folder}/${types}`));
  }
  await writePackage(folder, texts);
}
