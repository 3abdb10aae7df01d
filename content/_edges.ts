import { parseManifest } from "@containerkit/oci";

/** A reference that a manifest or index holds. */
export interface Edge {
  readonly digest: string;
  /** What the other is to it; a `referrer` edge leads from the subject to its referrer. */
  readonly kind: "config" | "layer" | "manifest" | "referrer";
}

/** Larger documents are no manifests: registries refuse them too. */
export const LARGEST_MANIFEST = 4 * 1024 * 1024;
const MOST_EDGES = 20_000;

/** Whether a blob may be a manifest or an index, by its size and its first byte: what it was said to be proves nothing. */
export function maybeManifest(
  { size, first }: { size: number; first: number | undefined },
): boolean {
  return size > 0 && size <= LARGEST_MANIFEST && first === 0x7b;
}

/** A document as the type it was said to have, or else as what it shows by itself. */
function parse(
  bytes: Uint8Array,
  mediaType: string | undefined,
): ReturnType<typeof parseManifest> | undefined {
  // What is longer than is taken must not pass for no manifest.
  const limit = Infinity;
  const said = mediaType === undefined ? [] : [{ mediaType, limit }];
  for (const options of [...said, { limit }]) {
    try {
      return parseManifest(bytes, options);
    } catch {
      // It may be one all the same, or none.
    }
  }
  return undefined;
}

/** The references of a manifest or an index, and its media type unless another one was said; nothing if it is neither. */
export function readEdges(
  bytes: Uint8Array,
  mediaType: string | undefined,
): { mediaType?: string | undefined; edges: Edge[] } {
  const document = parse(bytes, mediaType);
  if (document === undefined) return { mediaType, edges: [] };
  // An object with neither list was taken for a manifest, and refused: this one has what it needs.
  const edges: Edge[] = "manifests" in document
    ? document.manifests.map(({ digest }) => ({ digest, kind: "manifest" }))
    : [
      { digest: document.config.digest, kind: "config" },
      ...document.layers.map(({ digest }) =>
        ({ digest, kind: "layer" }) as const
      ),
    ];
  if (document.subject !== undefined) {
    edges.push({ digest: document.subject.digest, kind: "referrer" });
  }
  if (edges.length > MOST_EDGES) {
    throw new RangeError(
      `Cannot store a manifest with ${edges.length} references: there may be ${MOST_EDGES}`,
    );
  }
  return { mediaType: mediaType ?? document.mediaType, edges };
}
