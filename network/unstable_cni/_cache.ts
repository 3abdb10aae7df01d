import { checkLinkName } from "../_link_message.ts";
import { isObject, isResult } from "./_answer.ts";
import { CniCacheError } from "./cni_cache_error.ts";
import type {
  CniAttachment,
  CniNetwork,
  CniOptions,
  CniResult,
} from "./cni_types.ts";

/** Where results are kept if nobody says. */
const CACHE = "/run/containerkit/cni";
const NAME_REGEXP = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const FILE_REGEXP = /^([^@]+)@([^@]+)@(.+)\.json$/;

/** What is kept of an `ADD`, for the calls after it. */
export interface CacheEntry {
  readonly kind: "cniCacheV1";
  readonly networkName: string;
  readonly containerId: string;
  readonly ifName: string;
  readonly attachment: CniAttachment;
  readonly network: CniNetwork;
  /** Absent as long as the `ADD` is under way, or was ended in the middle. */
  readonly result?: CniResult;
}

/** Checks what becomes part of a path. */
export function checkName(what: string, name: string): void {
  if (!NAME_REGEXP.test(name)) {
    throw new TypeError(
      `Cannot use the ${what} ${
        JSON.stringify(name)
      }: expected letters, digits and "_.-", starting with a letter or digit`,
    );
  }
}

/** Where the result of a container on a network is kept; no name has a "@". */
export function cacheFile(
  network: CniNetwork,
  attachment: CniAttachment,
  options: CniOptions,
): string {
  const { containerId, ifName = "eth0" } = attachment;
  checkName("network", network.name);
  checkName("container id", containerId);
  checkLinkName(ifName);
  return `${
    options.cache ?? CACHE
  }/${network.name}@${containerId}@${ifName}.json`;
}

function isEntry(value: unknown): value is CacheEntry {
  return isObject(value) && value.kind === "cniCacheV1" &&
    isObject(value.attachment) &&
    (value.result === undefined || isResult(value.result));
}

/**
 * What is kept there.
 *
 * @throws {CniCacheError} If it is damaged, as by a power cut.
 */
export async function readCache(path: string): Promise<CacheEntry | undefined> {
  let entry: unknown;
  try {
    entry = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CniCacheError(path, cause.message, { cause });
  }
  if (isEntry(entry)) return entry;
  throw new CniCacheError(path, "it is not what an ADD keeps");
}

/** Keeps what is known; with `isNew` only if nothing is kept there yet. */
export async function writeCache(
  file: string,
  entry: CacheEntry,
  { isNew = false } = {},
): Promise<void> {
  const folder = file.slice(0, file.lastIndexOf("/"));
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(temporary, JSON.stringify(entry), { mode: 0o600 });
  if (!isNew) return await Deno.rename(temporary, file);
  try {
    await Deno.link(temporary, file);
  } finally {
    await Deno.remove(temporary);
  }
}

/** What is said of a container now, and else when it was added. */
export function completed(
  attachment: CniAttachment,
  cached: CacheEntry | undefined,
): CniAttachment {
  const { containerId } = attachment;
  const said = Object.entries(attachment)
    .filter(([, value]) => value !== undefined);
  return { ...cached?.attachment, ...Object.fromEntries(said), containerId };
}

/** Keeps nothing there any more. */
export async function removeCache(file: string): Promise<void> {
  await Deno.remove(file).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** Whose results are kept of a network: the names say so, also of files that are damaged. */
export async function listCache(
  network: CniNetwork,
  options: CniOptions,
): Promise<CniAttachment[]> {
  const attachments: CniAttachment[] = [];
  try {
    for await (const { name } of Deno.readDir(options.cache ?? CACHE)) {
      const [, networkName, containerId, ifName] = FILE_REGEXP.exec(name) ?? [];
      if (networkName !== network.name || containerId === undefined) continue;
      attachments.push({ containerId, ifName });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return attachments;
}
