/**
 * The contract of a snapshotter, as tests.
 *
 * ```ts ignore
 * import { snapshotterSuite } from "@containerkit/snapshot/testing";
 * import { openOverlay } from "@containerkit/snapshot";
 *
 * snapshotterSuite("overlay", async () => {
 *   const root = await Deno.makeTempDir();
 *   const snapshotter = await openOverlay({ root });
 *   return {
 *     snapshotter,
 *     open: () => openOverlay({ root }),
 *     async [Symbol.asyncDispose]() {
 *       await snapshotter.close();
 *       await Deno.remove(root, { recursive: true });
 *     },
 *   };
 * });
 * ```
 *
 * @module
 */

import type { SnapshotterFixture, SuiteCase } from "./_suite.ts";
import { FILE_CASES } from "./_suite_files.ts";
import { MORE_CASES, NAMED_CASES } from "./_suite_more.ts";
import { METASTORE_CASES, RECORD_CASES } from "./_suite_records.ts";

export type { SnapshotterFixture } from "./_suite.ts";
export * from "./layer_suite.ts";

/** Options of {@linkcode snapshotterSuite}. */
export interface SnapshotterSuiteOptions {
  /**
   * Declares one test.
   *
   * @default {Deno.test}
   */
  readonly test?: (name: string, fn: () => Promise<void>) => void;
  /**
   * How many layers the chains of the cases `128LayersMount` and `500Layers` have.
   *
   * @default {{ mounted: 128, deep: 500 }}
   */
  readonly layers?: { readonly mounted: number; readonly deep: number };
}

/**
 * Declares the tests that every snapshotter must pass: the 21 cases of
 * containerd's suite and those of its metadata store by their names there, the
 * seven it names but does not have, and what this project promises beyond.
 *
 * Each case gets a store of its own. Requires root.
 *
 * @param name What is tested.
 * @param factory Makes an empty store.
 * @param options How tests are declared.
 *
 * @example Usage
 * ```ts ignore
 * import { snapshotterSuite } from "@containerkit/snapshot/testing";
 *
 * snapshotterSuite("mine", openMine);
 * ```
 */
export function snapshotterSuite(
  name: string,
  factory: () => Promise<SnapshotterFixture>,
  options: SnapshotterSuiteOptions = {},
): void {
  const { test = (title, fn) => Deno.test(title, fn) } = options;
  const { layers = { mounted: 128, deep: 500 } } = options;
  const groups: Readonly<Record<string, Readonly<Record<string, SuiteCase>>>> =
    {
      suite: { ...FILE_CASES, ...RECORD_CASES, ...NAMED_CASES },
      metastore: METASTORE_CASES,
      more: MORE_CASES,
    };
  for (const [group, cases] of Object.entries(groups)) {
    for (const [title, run] of Object.entries(cases)) {
      test(`${name}: ${group} ${title}`, async () => {
        await using fixture = await factory();
        const temp = Deno.makeTempDirSync({ prefix: "containerkit-" });
        try {
          await run({
            snapshotter: fixture.snapshotter,
            open: () => fixture.open(),
            temp,
            layers,
            [Symbol.asyncDispose]: () => Promise.resolve(),
          });
        } finally {
          Deno.removeSync(temp, { recursive: true });
        }
      });
    }
  }
}
