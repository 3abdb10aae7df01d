/** Fills what is left of a small file system to the last byte, by a file in a folder of it that goes with the file system. */
export function fillDisk(folder: string): void {
  using file = Deno.openSync(`${folder}/filler`, {
    append: true,
    create: true,
  });
  for (let size = 1024 * 1024; size > 0;) {
    try {
      file.writeSync(new Uint8Array(size));
    } catch {
      size = Math.floor(size / 2);
    }
  }
}
