/** Layers for tests, described in a line an entry. */
import {
  encodeTarHeader,
  encodeText,
  type TarHeaderInit,
} from "@containerkit/tar";

/** An entry; `data` gives the size. */
export type TestEntry = TarHeaderInit & { readonly data?: string | Uint8Array };

/** A directory. */
export function dir(name: string, mode = 0o755): TestEntry {
  return { name, typeflag: "5", mode, mtime: 1000 };
}

/** A regular file. */
export function file(
  name: string,
  data: string | Uint8Array = "",
  mode = 0o644,
): TestEntry {
  return { name, data, mode, mtime: 1000 };
}

/** A symbolic link. */
export function symlink(target: string, name: string): TestEntry {
  return { name, typeflag: "2", linkname: target, mode: 0o777, mtime: 1000 };
}

/** A hard link. */
export function link(target: string, name: string): TestEntry {
  return { name, typeflag: "1", linkname: target, mtime: 1000 };
}

/** The bytes of an archive. An entry without a name is written all the same, to test readers. */
export function archive(
  entries: readonly TestEntry[],
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const { data = "", ...header } of entries) {
    const body = typeof data === "string" ? encodeText(data) : data;
    const bytes = encodeTarHeader({
      ...header,
      name: header.name || "x",
      size: body.length,
    });
    if (header.name === "") {
      bytes[0] = 0;
      fixSum(bytes);
    }
    parts.push(bytes, body, new Uint8Array((512 - body.length % 512) % 512));
  }
  parts.push(new Uint8Array(1024));
  return joinBytes(parts);
}

/** A stream of the bytes in one chunk. */
export function stream(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return ReadableStream.from([bytes]);
}

/** The stream of an archive. */
export function layer(
  ...entries: readonly TestEntry[]
): ReadableStream<Uint8Array> {
  return stream(archive(entries));
}

function fixSum(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.set(encodeText(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Random numbers that are the same each time, and lists in an order made of them. */
export function shuffled(
  seed: number,
): { random: () => number; shuffle: <T>(list: readonly T[]) => T[] } {
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    random,
    shuffle: (list) =>
      list.map((item) => ({ item, key: random() }))
        .sort((a, b) => a.key - b.key).map(({ item }) => item),
  };
}
