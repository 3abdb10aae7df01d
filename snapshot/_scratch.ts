import { tryHold } from "./_hold.ts";
import { destroyTree } from "./_folders.ts";

/** Gives a folder of the store for a while. It is in the trash from the start: whoever cleans up after a crash finds it there, and finds it locked until then. */
export async function withScratch<T>(
  root: string,
  fn: (dir: string) => Promise<T>,
): Promise<T> {
  const dir = `${root}/trash/scratch.${crypto.randomUUID()}`;
  Deno.mkdirSync(dir, { mode: 0o700 });
  const lock = tryHold(dir, "exclusive");
  try {
    return await fn(dir);
  } finally {
    await destroyTree(dir);
    lock?.close();
  }
}
