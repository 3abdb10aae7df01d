import { type Mount, mount } from "@containerkit/mount";
import type { Snapshot } from "./snapshot.ts";
import type { Snapshotter } from "./snapshotter.ts";

/** A store for one case, and the way to open it once more. */
export interface SnapshotterFixture extends AsyncDisposable {
  /** The snapshotter. */
  readonly snapshotter: Snapshotter;
  /** Opens the same store again, as another process would. */
  open(): Promise<Snapshotter>;
}

/** What a case gets. */
export interface SuiteContext extends SnapshotterFixture {
  /** An empty folder on a filesystem that is no overlay. */
  readonly temp: string;
  /** How many layers the long chains have. */
  readonly layers: { readonly mounted: number; readonly deep: number };
}

/** A case of the suite. */
export type SuiteCase = (context: SuiteContext) => Promise<void>;

/** Fails a case. */
export function check(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(why);
}

/** Fails a case unless two values print alike. */
export function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value));
  check(a === b, `${what}: expected ${b}, found ${a}`);
}

type ErrorClass = abstract new (...args: never[]) => Error;

/** Fails a case unless a call is refused with such an error. */
export async function refused(
  call: () => Promise<unknown>,
  kind: ErrorClass,
  text = "",
): Promise<void> {
  try {
    await call();
  } catch (error) {
    check(
      error instanceof kind && error.message.includes(text),
      `expected ${kind.name} with "${text}", found ${error}`,
    );
    return;
  }
  throw new Error(`expected ${kind.name}, but it succeeded`);
}

/** Mounts, runs, unmounts. */
export async function withMounts<T>(
  context: SuiteContext,
  mounts: readonly Mount[],
  fn: (dir: string) => T | Promise<T>,
): Promise<T> {
  const target = Deno.makeTempDirSync({ dir: context.temp });
  try {
    await using _mounted = await mount(mounts, target);
    return await fn(target);
  } finally {
    Deno.removeSync(target);
  }
}

/** Makes a layer by writing into it. */
export async function makeLayer(
  context: SuiteContext,
  options: {
    name: string;
    parent?: string | undefined;
    durability?: "full" | "none";
  },
  fn: (dir: string) => void | Promise<void>,
): Promise<void> {
  const { name, parent, durability = "full" } = options;
  const { snapshotter } = context;
  await using snapshot = await snapshotter.prepare(`${name}-active`, parent);
  await withMounts(context, snapshot.mounts, fn);
  await snapshot.commit(name, { durability });
}

/** Looks at a layer. */
export async function withView<T>(
  context: SuiteContext,
  parent: string,
  fn: (dir: string, view: Snapshot) => T | Promise<T>,
): Promise<T> {
  await using view = await context.snapshotter.view(
    `view-${crypto.randomUUID()}`,
    parent,
  );
  return await withMounts(context, view.mounts, (dir) => fn(dir, view));
}

/** Every file of a tree with kind, permission bits, owner and content. */
export function describeTree(dir: string): string[] {
  const lines: string[] = [];
  const visit = (path: string) => {
    const info = Deno.lstatSync(`${dir}${path}`);
    const kind = info.isDirectory
      ? "/"
      : info.isSymlink
      ? ` -> ${Deno.readLinkSync(`${dir}${path}`)}`
      : info.isFile
      ? ` = ${Deno.readTextFileSync(`${dir}${path}`)}`
      : " special";
    const mode = ((info.mode ?? 0) & 0o7777).toString(8);
    lines.push(`${path} ${mode} ${info.uid}:${info.gid}${kind}`);
    if (!info.isDirectory) return;
    const names = [...Deno.readDirSync(`${dir}${path}`)].map(({ name }) =>
      name
    );
    for (const name of names.sort()) visit(`${path}/${name}`);
  };
  visit("");
  return lines;
}

/** Writes files by path; folders are made. */
export function writeFiles(
  dir: string,
  files: Readonly<Record<string, string>>,
): void {
  for (const [path, text] of Object.entries(files)) {
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (folder !== "") Deno.mkdirSync(`${dir}${folder}`, { recursive: true });
    Deno.writeTextFileSync(`${dir}${path}`, text);
  }
}

/** Names of all snapshots that a filter chooses, sorted. */
export async function names(
  snapshotter: Snapshotter,
  filter?: Parameters<Snapshotter["walk"]>[0],
): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of snapshotter.walk(filter)) found.push(name);
  return found.sort();
}
