/**
 * The names of images.
 *
 * @module
 */

import { isDigest } from "@containerkit/oci";
import { REGISTRY_REGEXP, REPOSITORY_REGEXP, TAG_REGEXP } from "./_grammar.ts";
import { hideSecrets } from "./_hide_secrets.ts";

/** The name of an image, in its parts. */
export interface Reference {
  /** The registry, such as `docker.io` or `localhost:5000`. */
  readonly registry: string;
  /** The repository, such as `library/alpine`. */
  readonly repository: string;
  /** The tag. */
  readonly tag?: string;
  /** The digest, which wins over the tag. */
  readonly digest?: string;
}

/** Options of {@linkcode parseReference}. */
export interface ParseReferenceOptions {
  /**
   * Takes full names only: no short form of Docker Hub's names, and a tag or a digest is required.
   *
   * @default {false}
   */
  readonly strict?: boolean;
}

/** The longest `registry/repository` that registries take. */
const MAX_LENGTH = 255;

function isRegistry(text: string): boolean {
  return text === "localhost" || /[.:A-Z]/.test(text);
}

/**
 * Parses a reference as Docker does: `alpine` is `docker.io/library/alpine:latest`.
 *
 * @param text Such as `localhost:5000/app:1.2` or `docker.io/library/alpine@sha256:…`.
 * @param options Whether short forms are allowed.
 * @returns The parts. There is a tag or a digest, or both.
 * @throws {SyntaxError} If it is not a reference.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 *
 * @example Usage
 * ```ts
 * import { parseReference } from "@containerkit/distribution";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseReference("alpine"), {
 *   registry: "docker.io",
 *   repository: "library/alpine",
 *   tag: "latest",
 * });
 * ```
 */
export function parseReference(
  text: string,
  options: ParseReferenceOptions = {},
): Reference {
  const fail = (why: string): never => {
    throw new SyntaxError(
      `Cannot parse reference ${
        JSON.stringify(hideSecrets(text).slice(0, 300))
      }: ${why}`,
    );
  };
  const at = text.indexOf("@");
  const digest = at === -1 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    fail("what follows @ is not a digest");
  }
  let name = at === -1 ? text : text.slice(0, at);
  const colon = name.indexOf(":", name.lastIndexOf("/") + 1);
  const tag = colon === -1 ? undefined : name.slice(colon + 1);
  if (tag !== undefined && !TAG_REGEXP.test(tag)) {
    fail("what follows : is not a tag");
  }
  if (colon !== -1) name = name.slice(0, colon);
  if (/^[0-9a-f]{64}$/.test(name)) fail("64 hexadecimal digits are no name");
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  const hasRegistry = isRegistry(first);
  if (options.strict) {
    if (!hasRegistry) fail("it names no registry");
    if (tag === undefined && digest === undefined) {
      fail("it has neither a tag nor a digest");
    }
  }
  let registry = hasRegistry ? first : "docker.io";
  let repository = hasRegistry ? name.slice(slash + 1) : name;
  if (registry === "index.docker.io") registry = "docker.io";
  if (registry === "docker.io" && !repository.includes("/")) {
    repository = `library/${repository}`;
  }
  if (!REGISTRY_REGEXP.test(registry)) fail(`"${registry}" is no registry`);
  if (!REPOSITORY_REGEXP.test(repository)) {
    fail(
      /[A-Z]/.test(repository)
        ? "the repository has upper case letters"
        : `"${repository}" is no repository`,
    );
  }
  if (registry.length + 1 + repository.length > MAX_LENGTH) {
    fail(`the name is longer than ${MAX_LENGTH} characters`);
  }
  return {
    registry,
    repository,
    ...(tag !== undefined
      ? { tag }
      : digest === undefined
      ? { tag: "latest" }
      : {}),
    ...(digest === undefined ? {} : { digest }),
  };
}
