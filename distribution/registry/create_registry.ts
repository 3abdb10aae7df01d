/**
 * A registry as a request handler.
 *
 * @module
 */

import { isDigest } from "@containerkit/oci";
import { REPOSITORY_REGEXP, TAG_REGEXP } from "../_grammar.ts";
import { authorize } from "./_access.ts";
import { ApiError } from "./_api_error.ts";
import { handleBlob } from "./_blobs.ts";
import type { Call, Context } from "./_context.ts";
import { handleUpload, startUpload } from "./_handle_upload.ts";
import { handleManifest } from "./_manifests.ts";
import { handleCatalog, handleReferrers, handleTags } from "./_lists.ts";
import { Pulls } from "./_pulls.ts";
import { RepositoryIndex } from "./_repository_index.ts";
import { toApiError } from "./_to_api_error.ts";
import { Locks } from "../_locks.ts";
import { Uploads } from "./_uploads.ts";
import { createMemoryIndex } from "./create_memory_index.ts";
import type { RegistryAccess } from "./registry_access.ts";
import type { RegistryIndex } from "./registry_index.ts";
import type { RegistryStore } from "./registry_store.ts";
import type { Upstream } from "./upstream.ts";

/** Options of {@linkcode createRegistry}. */
export interface CreateRegistryOptions {
  /** Where the blobs are. */
  readonly store: RegistryStore;
  /**
   * What is in which repository.
   *
   * @default {in memory}
   */
  readonly index?: RegistryIndex;
  /**
   * Whether a request may do what it wants.
   *
   * @default {everybody may do everything}
   */
  readonly authorize?: (access: RegistryAccess) => boolean | Promise<boolean>;
  /**
   * How who may not is asked to log in: the value of `WWW-Authenticate`.
   *
   * @default {'Basic realm="containerkit"'}
   */
  readonly challenge?: string;
  /**
   * Refuses every change.
   *
   * @default {false}
   */
  readonly readOnly?: boolean;
  /**
   * The largest manifest in bytes.
   *
   * @default {4 MiB}
   */
  readonly manifestLimit?: number;
  /**
   * The largest blob in bytes.
   *
   * @default {none}
   */
  readonly blobLimit?: number;
  /**
   * The smallest chunk of an upload in bytes, except for its last one.
   *
   * @default {none}
   */
  readonly minimumChunk?: number;
  /**
   * How many names a page of a list has at most.
   *
   * @default {1000}
   */
  readonly pageSize?: number;
  /** Fetches what is not there from another registry, and keeps it. */
  readonly upstream?: Upstream;
  /** Told of faults that are not the client's, who learns only whether it is the disk that is full (507) or the upstream that fails (502). */
  readonly onError?: (error: unknown, request: Request) => void;
}

/** A registry: hand it to `Deno.serve()`. Disposing it gives up uploads that are under way, and what it is fetching. */
export interface Registry extends AsyncDisposable {
  /** Answers a request. */
  (request: Request): Promise<Response>;
}

const PAGE_SIZE = 1000;
const MANIFEST_LIMIT = 4 * 1024 * 1024;
const ROUTE_REGEXP =
  /^\/v2\/(.+)\/(manifests|blobs\/uploads|blobs|referrers|tags)\/([^/]*)$/;

/**
 * Makes a registry that serves the whole of the OCI distribution specification 1.1 from a store of blobs: push in every way,
 * pull with ranges, tags, referrers, deletion, and content by sha512.
 *
 * Requires what the store requires; serving it takes `--allow-net`.
 *
 * @param options The store, and what is allowed.
 * @returns The handler.
 * @throws {RangeError} If a limit is no number from 0, or a page has no place for a name.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 *
 * @example Serve a registry that lasts as long as the program
 * ```ts
 * import { createMemoryStore, createRegistry } from "@containerkit/distribution/registry";
 * import { assertEquals } from "@std/assert";
 *
 * await using registry = createRegistry({ store: createMemoryStore() });
 * const response = await registry(new Request("http://localhost/v2/"));
 * assertEquals(response.status, 200);
 * // Deno.serve({ hostname: "127.0.0.1", port: 5000 }, registry);
 * ```
 */
export function createRegistry(options: CreateRegistryOptions): Registry {
  const {
    manifestLimit = MANIFEST_LIMIT,
    blobLimit = Infinity,
    minimumChunk = 0,
    pageSize = PAGE_SIZE,
  } = options;
  checkNumbers({ manifestLimit, blobLimit, minimumChunk });
  checkNumbers({ pageSize }, 1);
  const context: Context = {
    store: options.store,
    index: options.index ?? createMemoryIndex(),
    uploads: new Uploads(options.store),
    pulls: new Pulls(options.upstream?.signal),
    locks: new Locks(),
    manifestLimit,
    blobLimit,
    minimumChunk,
    pageSize,
    readOnly: options.readOnly ?? false,
    upstream: options.upstream,
    authorize: options.authorize,
    challenge: options.challenge ?? 'Basic realm="containerkit"',
    onError: options.onError,
  };
  const handle = async (request: Request): Promise<Response> => {
    try {
      const response = await route(context, request);
      response.headers.set(
        "docker-distribution-api-version",
        "registry/2.0",
      );
      return response;
    } catch (error) {
      // Bytes nobody read would hold the connection.
      await request.body?.cancel().catch(() => {});
      if (error instanceof ApiError) return error.toResponse(request.method);
      context.onError?.(error, request);
      return toApiError(error).toResponse(request.method);
    }
  };
  return Object.assign(handle, {
    async [Symbol.asyncDispose]() {
      await context.pulls[Symbol.asyncDispose]();
      await context.uploads[Symbol.asyncDispose]();
    },
  });
}

/** Nothing is above NaN: a limit that came of a number that is none would not be one. */
function checkNumbers(numbers: Record<string, number>, least = 0): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (value >= least) continue;
    throw new RangeError(
      `Cannot make a registry with a ${name} of ${value}: expected a number from ${least}`,
    );
  }
}

/** What a method wants to do. */
function actionOf(method: string): "pull" | "push" | "delete" {
  if (method === "GET" || method === "HEAD") return "pull";
  return method === "DELETE" ? "delete" : "push";
}

async function route(context: Context, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const { pathname } = url;
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (pathname === "/v2/" || pathname === "/v2") {
    if (!isRead) throw new ApiError("UNSUPPORTED", "only GET is allowed");
    await authorize(request, { action: "ping" }, context);
    return Response.json({});
  }
  if (pathname === "/v2/_catalog") {
    if (!isRead) throw new ApiError("UNSUPPORTED", "only GET is allowed");
    await authorize(request, { action: "catalog" }, context);
    return await handleCatalog(context, url);
  }
  const [, name, kind, last] = ROUTE_REGEXP.exec(pathname) ?? [];
  if (name === undefined || kind === undefined || last === undefined) {
    throw new ApiError("UNSUPPORTED", "there is no such path", { status: 404 });
  }
  if (!REPOSITORY_REGEXP.test(name) || name.length > 255) {
    throw new ApiError("NAME_INVALID", "the name of the repository is invalid");
  }
  // An upload is cancelled by whoever may push.
  const action = kind === "blobs/uploads" ? "push" : actionOf(request.method);
  await authorize(request, { action, repository: name }, context);
  if (context.readOnly && action !== "pull") {
    throw new ApiError("UNSUPPORTED", "the registry is read-only");
  }
  const call: Call = {
    context,
    request,
    url,
    repository: new RepositoryIndex(context.index, name),
  };
  return await dispatch(call, kind, decode(last));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiError("NAME_INVALID", "the path is not well encoded");
  }
}

function dispatch(
  call: Call,
  kind: string,
  last: string,
): Promise<Response> {
  switch (kind) {
    case "manifests":
      if (!isDigest(last) && !TAG_REGEXP.test(last)) {
        throw new ApiError(
          last.includes(":") ? "DIGEST_INVALID" : "TAG_INVALID",
          "it is neither a tag nor a digest",
        );
      }
      return handleManifest(call, last);
    case "blobs/uploads":
      return last === "" ? startUpload(call) : handleUpload(call, last);
    case "blobs":
      checkDigest(last);
      return handleBlob(call, last);
    case "referrers":
      checkDigest(last);
      return handleReferrers(call, last);
    default:
      if (last !== "list") {
        throw new ApiError("UNSUPPORTED", "there is no such path", {
          status: 404,
        });
      }
      return handleTags(call);
  }
}

function checkDigest(text: string): void {
  if (!isDigest(text)) {
    throw new ApiError("DIGEST_INVALID", "it is not a digest");
  }
}
