import { isIndexType, isManifestType, parseManifest } from "@containerkit/oci";

/** A reference that a manifest or index holds. */
export interface Edge {
  readonly digest: string;
  /** What the other is to it; a `referrer` edge leads from the subject to its referrer. */
  readonly kind: "config" | "layer" | "manifest" | "referrer";
}

/** Larger documents are no manifests: registries refuse them too. */
export const LARGEST_MANIFEST = 4 * 1024 * 1024;
const MOST_EDGES = 20_000;

/** Whether a blob may be a manifest or an index: by its media type, or by its first byte if it has none. */
export function maybeManifest(
  blob: { size: number; mediaType?: string | undefined; first?: number },
): boolean {
  const { size, mediaType, first } = blob;
  if (size === 0 || size > LARGEST_MANIFEST) return false;
  return mediaType === undefined
    ? first === undefined || first === 0x7b
    : isIndexType(mediaType) || isManifestType(mediaType);
}

/** The references of a manifest or an index, and its media type; nothing if it is neither. */
export function readEdges(
  bytes: Uint8Array,
  mediaType: string | undefined,
): { mediaType?: string | undefined; edges: Edge[] } {
  let document;
  try {
    document = parseManifest(bytes, {
      ...(mediaType === undefined ? {} : { mediaType }),
      // What is longer than is taken must not pass for no manifest.
      limit: Infinity,
    });
  } catch {
    return { mediaType, edges: [] };
  }
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
  return { mediaType: document.mediaType, edges };
}
