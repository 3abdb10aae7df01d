/**
 * Reading manifests and indexes.
 *
 * @module
 */

import {
  checkNames,
  checkString,
  checkStringMap,
  checkStrings,
  type Fail,
  type Fields,
  isObject,
  parseObject,
  withoutNulls,
} from "./_json.ts";
import type { ImageIndex } from "./image_index.ts";
import type { ImageManifest } from "./image_manifest.ts";
import { isDigest } from "./is_digest.ts";
import { isIndexType, isManifestType } from "./is_media_type.ts";
import { MediaType } from "./media_type.ts";

/** The fields that decide what a document is. */
const FIELDS = [
  "schemaVersion",
  "mediaType",
  "config",
  "layers",
  "manifests",
  "subject",
  "artifactType",
];
/** The fields that decide what a descriptor is of. */
const DESCRIPTOR_FIELDS = [
  "mediaType",
  "digest",
  "size",
  "urls",
  "annotations",
  "data",
  "artifactType",
  "platform",
];

/** Options of {@linkcode parseManifest}. */
export interface ParseManifestOptions {
  /** The media type by the descriptor or the `Content-Type`: what the document says must agree. */
  readonly mediaType?: string;
  /**
   * How many descriptors it may list: a few megabytes hold more than anyone should look at.
   *
   * @default {20_000}
   */
  readonly limit?: number;
}

const LIMIT = 20_000;

function checkDescriptor(value: unknown, where: string, fail: Fail): void {
  if (!isObject(value)) return fail(`"${where}" is not a descriptor`);
  const { mediaType, digest, size, platform } = value;
  const wrong: Fail = (why) => fail(`${where}: ${why}`);
  checkNames(value, DESCRIPTOR_FIELDS, wrong);
  if (typeof mediaType !== "string") wrong('"mediaType" is not a string');
  if (typeof digest !== "string" || !isDigest(digest)) {
    wrong('"digest" is not a digest');
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    wrong('"size" is not a number of bytes');
  }
  for (const name of ["artifactType", "data"]) checkString(value, name, wrong);
  checkStrings(value, "urls", wrong);
  checkStringMap(value, "annotations", wrong);
  if (platform === undefined || platform === null) return;
  if (
    !isObject(platform) || typeof platform.os !== "string" ||
    typeof platform.architecture !== "string"
  ) {
    return wrong('"platform" has no os or no architecture');
  }
  checkString(platform, "variant", wrong);
  checkString(platform, "os.version", wrong);
  checkStrings(platform, "os.features", wrong);
}

function checkDescriptors(
  fields: Fields,
  name: string,
  { fail, limit }: { fail: Fail; limit: number },
): void {
  const list = fields[name];
  if (!Array.isArray(list)) return fail(`"${name}" is not a list`);
  if (list.length > limit) {
    throw new RangeError(
      `Cannot parse manifest: "${name}" lists more than ${limit} descriptors`,
    );
  }
  list.forEach((item, index) =>
    checkDescriptor(item, `${name}[${index}]`, fail)
  );
}

/** A descriptor as it is used. */
function toDescriptor(value: Fields): Fields {
  const { platform, ...rest } = withoutNulls(value);
  return isObject(platform)
    ? { ...rest, platform: withoutNulls(platform) }
    : rest;
}

/** The type the document says, or was said to have, or shows by its fields. */
function findType(
  fields: Fields,
  given: string | undefined,
  fail: Fail,
): string {
  const own = fields.mediaType;
  const isType = (type: unknown): type is string =>
    typeof type === "string" && (isIndexType(type) || isManifestType(type));
  if (typeof own === "string" && own !== "") {
    if (!isType(own)) {
      return fail(
        own === MediaType.DockerSchema1 || own === MediaType.DockerSchema1Signed
          ? "it is Docker's schema 1, which is not supported: push the image anew with a current tool"
          : `"${own}" is neither a manifest nor an index`,
      );
    }
    if (isType(given) && given !== own) {
      return fail(`it says it is "${own}", but was served as "${given}"`);
    }
    return own;
  }
  if (isType(given)) return given;
  if (fields.schemaVersion === 1 || "fsLayers" in fields) {
    return fail(
      "it is Docker's schema 1, which is not supported: push the image anew with a current tool",
    );
  }
  return "manifests" in fields ? MediaType.Index : MediaType.Manifest;
}

/**
 * Parses a manifest or an index and checks every field that is used later. A document that could be read as both is refused.
 *
 * Unknown fields stay. Nothing is ever written from the result: the bytes are what the digest names.
 *
 * @param bytes The document.
 * @param options The media type that it was served as, and how long its list may be.
 * @returns The manifest, or the index; `"manifests" in document` tells. Its `mediaType` is always set.
 * @throws {SyntaxError} If it is neither.
 * @throws {RangeError} If it lists more than the limit.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/manifest.md
 *
 * @example Usage
 * ```ts
 * import { EMPTY_DESCRIPTOR, MediaType, parseManifest } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const document = parseManifest(JSON.stringify({
 *   schemaVersion: 2,
 *   config: EMPTY_DESCRIPTOR,
 *   layers: [],
 * }));
 * assertEquals(document.mediaType, MediaType.Manifest);
 * ```
 */
export function parseManifest(
  bytes: Uint8Array | string,
  options: ParseManifestOptions = {},
): ImageManifest | ImageIndex {
  const { fields, fail } = parseObject(bytes, "manifest");
  const mediaType = findType(fields, options.mediaType, fail);
  if (fields.schemaVersion !== 2) fail('"schemaVersion" is not 2');
  const isIndex = isIndexType(mediaType);
  const other = isIndex ? ["config", "layers"] : ["manifests"];
  for (const name of other) {
    if (name in fields) fail(`it is "${mediaType}" but has "${name}"`);
  }
  checkNames(fields, FIELDS, fail);
  const to = { fail, limit: options.limit ?? LIMIT };
  if (isIndex) {
    // Docker has pushed empty lists as null.
    if (fields.manifests !== null) checkDescriptors(fields, "manifests", to);
  } else {
    checkDescriptor(fields.config, "config", fail);
    checkDescriptors(fields, "layers", to);
  }
  checkString(fields, "artifactType", fail);
  checkStringMap(fields, "annotations", fail);
  if (fields.subject !== undefined && fields.subject !== null) {
    checkDescriptor(fields.subject, "subject", fail);
  }
  const list = isIndex ? "manifests" : "layers";
  const descriptors = (fields[list] ?? []) as readonly Fields[];
  const { config, subject, ...rest } = withoutNulls(fields);
  return {
    ...rest,
    ...(isObject(config) ? { config: toDescriptor(config) } : {}),
    ...(isObject(subject) ? { subject: toDescriptor(subject) } : {}),
    [list]: descriptors.map(toDescriptor),
    mediaType,
  } as unknown as ImageManifest | ImageIndex;
}
