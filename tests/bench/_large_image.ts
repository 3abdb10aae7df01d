import { createHash } from "node:crypto";
import type { LayerSource } from "@containerkit/snapshot";
import { encodeTarHeader } from "@containerkit/tar";
import { runProgram } from "../mod.ts";

/** A layer in a file, compressed. */
export interface FileLayer extends LayerSource {
  readonly path: string;
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

async function digest(path: string): Promise<{ digest: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (;;) {
    const length = await file.read(buffer);
    if (length === null) break;
    hash.update(buffer.subarray(0, length));
    size += length;
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

/**
 * Makes a layer as distributions have them: many small files and few large
 * ones, of bytes that gzip makes to two fifths; and, if asked for, a busybox.
 */
export async function makeLargeLayer(
  folder: string,
  options: { name: string; files: number; bytes: number; busybox?: string },
): Promise<FileLayer> {
  const { name, files, bytes, busybox } = options;
  const tar = `${folder}/${name}.tar`;
  const random = new Uint8Array(4 << 20);
  for (let at = 0; at < random.length; at += 65_536) {
    crypto.getRandomValues(random.subarray(at, at + 65_536));
  }
  // Three bytes of five repeat.
  for (let at = 0; at < random.length; at++) if (at % 50 >= 19) random[at] = 65;
  {
    using file = Deno.createSync(tar);
    const pad = (size: number) =>
      writeAll(file, new Uint8Array((512 - size % 512) % 512));
    if (busybox !== undefined) {
      const body = Deno.readFileSync(busybox);
      const size = body.length;
      const header = { name: "busybox", typeflag: "0", mode: 0o755, size };
      writeAll(file, encodeTarHeader(header));
      writeAll(file, body);
      pad(size);
    }
    // A tenth of the files hold most of the bytes.
    const small = Math.floor(bytes * 0.2 / files);
    const large = Math.floor(bytes * 0.8 / Math.ceil(files / 10));
    for (let number = 0; number < files; number++) {
      const folderName = `${name}/d${number % 200}`;
      if (number < 200) {
        writeAll(
          file,
          encodeTarHeader({
            name: `${folderName}/`,
            typeflag: "5",
            mode: 0o755,
          }),
        );
      }
      const size = number % 10 === 0 ? large : small;
      const header = {
        name: `${folderName}/f${number}`,
        typeflag: "0",
        mode: 0o644,
        size,
      };
      writeAll(file, encodeTarHeader(header));
      for (let left = size; left > 0;) {
        const start = (number * 7919 + left) % (random.length >> 1);
        const part = random.subarray(
          start,
          start + Math.min(left, random.length >> 1),
        );
        writeAll(file, part);
        left -= part.length;
      }
      pad(size);
    }
    writeAll(file, new Uint8Array(1024));
  }
  const { digest: diffId } = await digest(tar);
  await runProgram("gzip", ["-1", "-n", "-f", tar]);
  const path = `${tar}.gz`;
  return {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    ...await digest(path),
    diffId,
    path,
    open: async () => (await Deno.open(path)).readable,
  };
}
