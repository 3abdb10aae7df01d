import { lockFile } from "@containerkit/state";
import {
  correctClock,
  finishCommits,
  finishRemovals,
  sweepFiles,
} from "./_after_crash.ts";
import { breathe, type Context, reason } from "./_context.ts";
import { takeInManifests } from "./_foreign.ts";
import { writeIndex } from "./_index_json.ts";
import { discardIngest, type IngestRow } from "./_ingests.ts";
import { indexLabels } from "./_labels.ts";
import { lstatFile } from "./_layout.ts";
import { Marker } from "./_mark.ts";
import { NOWHERE } from "./_node.ts";
import { gcLockPath, removeReferences } from "./_references.ts";
import { removeBlobs, removeNoted } from "./_removal.ts";
import { inRemovalOrder } from "./_removal_order.ts";
import { trace } from "./_trace.ts";
import type { Collectable } from "./collectable.ts";
import type { Collected, CollectOptions, Removed } from "./collect.ts";
import { containerdReferences } from "./containerd_references.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** So many blobs are removed in one transaction. */
const BATCH = 128;
/** So many rows are looked at before others get their turn. */
const PAGE = 5000;
/** For so long things of other components are removed before the lock is let go for others, in milliseconds. */
const LONGEST_HOLD = 200;

interface Candidate {
  readonly id: number;
  readonly namespace: number;
  readonly digestId: number;
  readonly digest: string;
  readonly size: number;
}

/** One collection. */
export class Sweeper {
  readonly #context: Context;
  readonly #options: CollectOptions;
  readonly #now = Date.now();
  readonly #marker: Marker;
  readonly #removed: Removed[] = [];
  readonly #failures: unknown[] = [];
  readonly #names: Map<number, string>;
  #bytes = 0;

  constructor(context: Context, options: CollectOptions) {
    this.#context = { ...context, lease: undefined };
    this.#options = options;
    const { grace = HOUR, ingestAge = DAY, collectables = [], signal } =
      options;
    this.#marker = new Marker(this.#context, {
      now: this.#now,
      grace,
      ingestAge,
      collectables,
      signal,
    });
    this.#names = new Map(
      context.state.prepare("SELECT id, name FROM namespaces").all()
        .map(({ id, name }) => [Number(id), String(name)]),
    );
  }

  get #isDry(): boolean {
    return this.#options.dryRun ?? false;
  }

  async run(): Promise<Collected> {
    const start = performance.now();
    await takeInManifests(this.#context);
    if (!this.#isDry) {
      await finishCommits(
        this.#context,
        (namespace) => this.#view(namespace),
      );
      await finishRemovals(this.#context);
      correctClock(this.#context, this.#now);
    }
    this.#expireLeases();
    await this.#marker.mark();
    this.#sweepImages();
    await this.#sweepListed();
    await this.#sweepBlobs();
    this.#sweepIngests();
    if (!this.#isDry) sweepFiles(this.#context);
    trace("collect", {
      removed: this.#removed.length,
      bytes: this.#bytes,
      milliseconds: performance.now() - start,
    });
    const [failure] = this.#failures;
    if (failure === undefined) {
      return { removed: this.#removed, bytes: this.#bytes };
    }
    throw new AggregateError(
      this.#failures,
      `Cannot remove ${this.#failures.length} of the things of other components: ${
        reason(failure)
      }`,
    );
  }

  #report(removed: Removed): void {
    this.#removed.push(removed);
    this.#bytes += removed.type === "blob" ? removed.size ?? 0 : 0;
    this.#options.onProgress?.(removed);
  }

  #view(namespace: number): Context {
    const name = this.#names.get(namespace) ?? "";
    return { ...this.#context, namespace: { id: namespace, name } };
  }

  #expireLeases(): void {
    const { state } = this.#context;
    let ended: Removed[] = [];
    const expire = () => {
      ended = [];
      const leases = state.prepare(
        "SELECT id, namespace, name, labels, expires FROM leases",
      ).all();
      for (const { id, namespace, name, labels, expires } of leases) {
        const parsed = JSON.parse(String(labels));
        const end = containerdReferences(parsed).expires?.getTime() ?? Infinity;
        if (Math.min(end, Number(expires ?? Infinity)) > this.#now) continue;
        ended.push({
          type: "lease",
          id: String(name),
          ...this.#place(Number(namespace)),
        });
        if (this.#isDry) continue;
        indexLabels(this.#context, { kind: "lease", id: Number(id) }, {
          from: parsed,
          to: {},
        });
        state.prepare("DELETE FROM leases WHERE id = ?").run(id!);
      }
    };
    state.makeRoom<void>(() => state.transaction<void>(expire));
    for (const lease of ended) this.#report(lease);
  }

  #place(namespace: number): { namespace: string } {
    return { namespace: this.#names.get(namespace) ?? "" };
  }

  /** Names that a label says have expired. */
  #sweepImages(): void {
    const { state } = this.#context;
    state.transaction(() => {
      this.#marker.remark();
      const rows = state.prepare(
        "SELECT id, namespace, name, labels FROM images WHERE labels LIKE '%containerd.io/gc.expire%'",
      ).all();
      for (const row of rows) {
        const [namespace, name] = [Number(row.namespace), String(row.name)];
        if (this.#marker.isKept({ namespace, type: "image", id: name })) {
          continue;
        }
        this.#report({ type: "image", id: name, ...this.#place(namespace) });
        if (this.#isDry) continue;
        const view = this.#view(namespace);
        indexLabels(view, { kind: "image", id: Number(row.id) }, {
          from: JSON.parse(String(row.labels)),
          to: {},
        });
        removeReferences(view, { type: "image", id: name });
        state.prepare("DELETE FROM images WHERE id = ?").run(row.id!);
        writeIndex(view);
      }
    });
  }

  async #sweepBlobs(): Promise<void> {
    const { state } = this.#context;
    for (let last = 0;;) {
      const rows = state.prepare(
        `SELECT blobs.id, namespace, blobs.digest AS digestId, digests.digest, size FROM blobs
         JOIN digests ON digests.id = blobs.digest WHERE blobs.id > ? ORDER BY blobs.id LIMIT ${PAGE}`,
      ).all(last) as unknown as Candidate[];
      const garbage = rows.filter((row) => this.#isGarbage(row));
      for (let at = 0; at < garbage.length; at += BATCH) {
        this.#options.signal?.throwIfAborted();
        await this.#removeBatch(garbage.slice(at, at + BATCH));
      }
      if (rows.length < PAGE) return;
      last = rows.at(-1)!.id;
      await breathe();
    }
  }

  #isGarbage({ namespace, digestId }: Candidate): boolean {
    return !this.#marker.isBlobKept(namespace, digestId);
  }

  async #removeBatch(batch: readonly Candidate[]): Promise<void> {
    const collectables = this.#options.collectables ?? [];
    using _lock = collectables.length === 0 ? undefined : await this.#lock();
    if (collectables.length > 0) await this.#marker.remarkListed();
    const { state } = this.#context;
    let garbage: readonly Candidate[] = [];
    const remove = () => {
      this.#marker.remark();
      garbage = batch.filter((row) => this.#isGarbage(row));
      if (this.#isDry) return [];
      return garbage.flatMap(({ namespace, digest }) =>
        removeBlobs(this.#view(namespace), [digest])
      );
    };
    const unshown = state.makeRoom<string[]>(() =>
      state.transaction<string[]>(remove)
    );
    for (const { namespace, digest, size } of garbage) {
      this.#report({
        type: "blob",
        id: digest,
        size,
        ...this.#place(namespace),
      });
    }
    await removeNoted(this.#context, unshown);
  }

  async #lock() {
    const { signal } = this.#options;
    return await lockFile(
      gcLockPath(this.#context),
      signal === undefined ? {} : { signal },
    );
  }

  /** Things of other components, each after what refers to it. */
  async #sweepListed(): Promise<void> {
    for (const collectable of this.#options.collectables ?? []) {
      const garbage = this.#garbageOf(collectable);
      if (this.#isDry) {
        for (const id of garbage) this.#report({ type: collectable.type, id });
        continue;
      }
      // The next one is the last of the list.
      const left = garbage.toReversed();
      while (left.length > 0) {
        this.#options.signal?.throwIfAborted();
        using _lock = await this.#lock();
        await this.#marker.remarkListed();
        this.#context.state.transaction(() => this.#marker.remark());
        const start = performance.now();
        while (left.length > 0 && performance.now() - start < LONGEST_HOLD) {
          const id = left.pop()!;
          const node = { namespace: NOWHERE, type: collectable.type, id };
          if (this.#marker.isKept(node)) continue;
          if (await this.#remove(collectable, id)) {
            this.#report({ type: collectable.type, id });
          }
        }
      }
    }
  }

  /** Removes a thing of another component. What cannot go must not keep all others for good: it is said at the end. */
  async #remove(collectable: Collectable, id: string): Promise<boolean> {
    try {
      return await collectable.remove(id) !== false;
    } catch (error) {
      this.#failures.push(error);
      return false;
    }
  }

  #garbageOf({ type }: Collectable): string[] {
    const listed = this.#marker.listed(type);
    const garbage = [...listed.keys()].filter((id) =>
      !this.#marker.isKept({ namespace: NOWHERE, type, id })
    );
    return inRemovalOrder(garbage, type, listed);
  }

  /** What was partly written, and given up long ago. */
  #sweepIngests(): void {
    const { state, path } = this.#context;
    const rows = state.prepare("SELECT ref, namespace, file FROM ingests")
      .all() as unknown as (IngestRow & { namespace: number })[];
    this.#marker.markIngests();
    for (const { ref, namespace, file } of rows) {
      if (this.#marker.isKept({ namespace, type: "ingest", id: ref })) continue;
      const size = lstatFile(`${path}/ingest/${file}`)?.size ?? 0;
      if (this.#isDry || discardIngest(this.#view(namespace), ref)) {
        this.#report({
          type: "ingest",
          id: ref,
          size,
          ...this.#place(namespace),
        });
      }
    }
  }
}
