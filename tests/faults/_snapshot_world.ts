import { createHash } from "node:crypto";
import type { LayerSource } from "@containerkit/snapshot";
import { encodeTarHeader } from "@containerkit/tar";

function makeArchive(
  files: Readonly<Record<string, Uint8Array>>,
  mode: number,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const [name, bytes] of Object.entries(files)) {
    const header = { name, typeflag: "0", mode, size: bytes.length };
    parts.push(encodeTarHeader(header), bytes);
    parts.push(new Uint8Array((512 - bytes.length % 512) % 512));
  }
  parts.push(new Uint8Array(1024));
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

/** A layer made of these files, in memory. */
export function makeLayer(
  files: Readonly<Record<string, Uint8Array>>,
  options: { mode?: number } = {},
): LayerSource {
  const bytes = makeArchive(files, options.mode ?? 0o644);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest,
    size: bytes.length,
    diffId: digest,
    open: () => Promise.resolve(new Blob([bytes]).stream()),
  };
}

/** The layers of one of a few images, which share the lowest. */
export function imageLayers(image: number): LayerSource[] {
  const file = (size: number, seed: number) =>
    new Uint8Array(size).map((_, at) => at * seed);
  return [
    makeLayer({ "a": file(200_000, 3), "b": file(10, 5) }),
    makeLayer({ "c": file(50_000, 7 + image), "dir/d": file(1, 1) }),
    makeLayer({ "dir/.wh.d": file(0, 1), "e": file(300_000, 11 + image) }),
  ];
}
