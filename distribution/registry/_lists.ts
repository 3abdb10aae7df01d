import { type Descriptor, MediaType } from "@containerkit/oci";
import { listReferrers } from "../list_referrers.ts";
import { listTags } from "../list_tags.ts";
import { ApiError } from "./_api_error.ts";
import type { Call, Context } from "./_context.ts";
import { RepositoryIndex } from "./_repository_index.ts";
import { listBehind } from "./_upstream.ts";

/** A page of referrers stays below what clients read at once, in bytes. */
const REFERRERS_PAGE = 3 * 1024 * 1024;

/** The `n` and `last` of a list. */
function readPaging(
  url: URL,
  pageSize: number,
): { count: number; last: string } {
  const text = url.searchParams.get("n");
  const last = url.searchParams.get("last") ?? "";
  if (text === null) return { count: pageSize, last };
  if (!/^\d{1,9}$/.test(text)) {
    throw new ApiError("PAGINATION_NUMBER_INVALID", "n is not a number");
  }
  return { count: Math.min(Number(text), pageSize), last };
}

/** A `Link` to the next page: the same question, from there on. */
function link(url: URL, parameters: Record<string, string>): string {
  const next = new URLSearchParams(url.searchParams);
  for (const [name, value] of Object.entries(parameters)) next.set(name, value);
  return `<${url.pathname}?${next}>; rel="next"`;
}

function page(
  names: readonly string[],
  url: URL,
  pageSize: number,
): { names: string[]; headers: Record<string, string> } {
  const { count, last } = readPaging(url, pageSize);
  const rest = last === "" ? names : names.filter((name) => name > last);
  const found = rest.slice(0, count);
  return {
    names: found,
    headers: found.length > 0 && rest.length > count
      ? { link: link(url, { n: String(count), last: found.at(-1)! }) }
      : {},
  };
}

export async function handleCatalog(
  context: Context,
  url: URL,
): Promise<Response> {
  const all = await RepositoryIndex.names(context.index);
  const { names, headers } = page(all, url, context.pageSize);
  return Response.json({ repositories: names }, { headers });
}

export async function handleTags(call: Call): Promise<Response> {
  const { context, repository, request, url } = call;
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new ApiError("UNSUPPORTED", "only GET is allowed");
  }
  const isHere = await repository.exists();
  const behind = await listBehind(
    call,
    (target) => listTags(target, target),
    isHere,
  );
  if (!isHere && behind.length === 0) {
    throw new ApiError("NAME_UNKNOWN", "the repository is not known");
  }
  const all = new Set([...await repository.tags(), ...behind]);
  const { names, headers } = page(
    [...all].toSorted(),
    url,
    context.pageSize,
  );
  return Response.json({ name: repository.name, tags: names }, { headers });
}

export async function handleReferrers(
  call: Call,
  subject: string,
): Promise<Response> {
  const { context, repository, request, url } = call;
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new ApiError("UNSUPPORTED", "only GET is allowed");
  }
  const artifactType = url.searchParams.get("artifactType");
  const last = url.searchParams.get("last") ?? "";
  const own = await repository.referrers(subject);
  const behind = await listBehind(
    call,
    (target) => listReferrers({ ...target, digest: subject }, target),
    own.length > 0,
  );
  const byDigest = new Map([...behind, ...own].map((one) => [one.digest, one]));
  const all = [...byDigest.values()].filter((descriptor) =>
    (artifactType === null || descriptor.artifactType === artifactType) &&
    descriptor.digest > last
  ).toSorted((a, b) => a.digest < b.digest ? -1 : 1);
  const { count } = readPaging(url, context.pageSize);
  const manifests: Descriptor[] = [];
  let size = 0;
  for (const descriptor of all.slice(0, count)) {
    size += JSON.stringify(descriptor).length;
    if (size > REFERRERS_PAGE && manifests.length > 0) break;
    manifests.push(descriptor);
  }
  return new Response(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.Index, manifests }),
    {
      headers: {
        "content-type": MediaType.Index,
        ...(artifactType === null
          ? {}
          : { "oci-filters-applied": "artifactType" }),
        ...(manifests.length > 0 && manifests.length < all.length
          ? { link: link(url, { last: manifests.at(-1)!.digest }) }
          : {}),
      },
    },
  );
}
