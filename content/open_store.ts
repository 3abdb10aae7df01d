/**
 * Opening the content store.
 *
 * @module
 */

import { openState, type State } from "@containerkit/state";
import { type Context, DEFAULT_NAMESPACE } from "./_context.ts";
import { openLayout } from "./_layout.ts";
import { MIGRATIONS } from "./_schema.ts";
import { FileStore } from "./_store.ts";
import type { Store } from "./store.ts";

/** What opening the store, removing a name and collecting take of a disk that is full otherwise, and some more. */
const RESERVE = 1024 * 1024;

/** Options of {@linkcode openStore}. */
export interface OpenStoreOptions {
  /**
   * The persistent root; the image layout is the folder `content` in it. Made if it is not there.
   *
   * @default {"/var/lib/containerkit"}
   */
  root?: string;
  /** State of this boot; the content store keeps none. */
  state?: string;
  /**
   * Which names, labels and blobs to show. `index.json` shows the images of the default one.
   *
   * @default {"default"}
   */
  namespace?: string;
  /**
   * Whether content that only other namespaces have must be sent again to be seen, as proof of having it; content of
   * shared namespaces need not.
   *
   * @default {false}
   */
  isolated?: boolean;
  /** Whether isolated namespaces see the content of this one all the same. It stays so until it is set again. */
  shared?: boolean;
}

const NAMESPACE_REGEXP = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;

function openNamespace(
  state: State,
  name: string,
  shared: boolean | undefined,
): number {
  const found = state.prepare(
    "SELECT id, shared FROM namespaces WHERE name = ?",
  )
    .get(name);
  if (
    found !== undefined && (shared === undefined || shared === !!found.shared)
  ) {
    return Number(found.id);
  }
  return state.transaction<number>(() =>
    Number(
      state.prepare(
        `INSERT INTO namespaces (name, shared) VALUES (?, ?)
         ON CONFLICT DO UPDATE SET shared = excluded.shared RETURNING id`,
      ).get(name, shared ? 1 : 0)?.id,
    )
  );
}

/**
 * Opens the content store under a root, and makes it if it is not there. Any number of processes may have it open.
 *
 * Requires `--allow-read` and `--allow-write` of the root, and nothing else.
 *
 * @param options Where it is.
 * @returns The open store.
 * @throws {StateVersionError} If a newer program wrote it.
 * @throws {Deno.errors.InvalidData} If the folder `content` is no image layout of a known version.
 * @throws {Deno.errors.NotADirectory} If a link or a file stands where a folder of it should be.
 *
 * @example Usage
 * ```ts
 * import { openStore } from "@containerkit/content";
 * import { assertEquals } from "@std/assert";
 *
 * const root = Deno.makeTempDirSync();
 * {
 *   using store = await openStore({ root });
 *   const { digest } = await store.put(new TextEncoder().encode("hello"));
 *   assertEquals(await store.stat(digest), { size: 5 });
 * }
 * Deno.removeSync(root, { recursive: true });
 * ```
 */
// deno-lint-ignore require-await
export async function openStore(
  options: OpenStoreOptions = {},
): Promise<Store> {
  const {
    root = "/var/lib/containerkit",
    namespace = DEFAULT_NAMESPACE,
    isolated = false,
    shared,
  } = options;
  if (!NAMESPACE_REGEXP.test(namespace)) {
    throw new SyntaxError(
      `Cannot open store: ${
        JSON.stringify(namespace.slice(0, 80))
      } is no name of a namespace`,
    );
  }
  const path = `${root}/content`;
  Deno.mkdirSync(root, { recursive: true, mode: 0o700 });
  openLayout(path);
  const state = openState(`${path}/state.db`, {
    migrations: MIGRATIONS,
    reserve: RESERVE,
  });
  try {
    const context: Context = {
      root,
      path,
      state,
      namespace: {
        id: openNamespace(state, namespace, shared),
        name: namespace,
      },
      isolated,
      lease: undefined,
      refused: new Map(),
    };
    return new FileStore(context);
  } catch (error) {
    state.close();
    throw error;
  }
}
