import { runProgram, tempDir } from "../mod.ts";

const SIZE = "40G";

/** A filesystem for benches. */
export interface OwnDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  /** Writes all to the disk and reads some files into memory. */
  settle(...files: string[]): Promise<void>;
}

async function readThrough(path: string): Promise<void> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  while (await file.read(buffer) !== null);
}

/**
 * Fills the memory with a file, as that of a machine in use is. The first use of memory costs a virtual machine
 * several times what the next ones do, and would be most of what is measured.
 */
async function fillMemory(folder: string): Promise<void> {
  const path = `${folder}/fill`;
  using file = Deno.createSync(path);
  file.truncateSync(Deno.systemMemoryInfo().total);
  await readThrough(path);
}

/**
 * Makes a filesystem as users have it: ext4 with its journal. Without one, as in some virtual machines, making files
 * is many times slower for minutes wherever files were removed, by these benches or anything before them.
 */
export async function ownDisk(): Promise<OwnDisk> {
  await using stack = new AsyncDisposableStack();
  const temp = stack.use(tempDir({ dir: "/var/tmp" }));
  await fillMemory(temp.path);
  const image = `${temp.path}/disk`;
  const path = `${temp.path}/mnt`;
  Deno.mkdirSync(path);
  await runProgram("fallocate", ["-l", SIZE, image]);
  await runProgram("mkfs.ext4", ["-q", "-F", image]);
  const loop = (await runProgram("losetup", [
    "--find",
    "--show",
    "--direct-io=on",
    image,
  ])).trim();
  stack.defer(async () => void await runProgram("losetup", ["-d", loop]));
  await runProgram("mount", [loop, path]);
  stack.defer(async () => void await runProgram("umount", [path]));
  const held = stack.move();
  return {
    path,
    async settle(...files) {
      await runProgram("sync", ["-f", path]);
      for (const file of files) await readThrough(file);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
