import { tracer } from "@containerkit/libc";
import type { LayerReader } from "@containerkit/tar/layer";
import type { Mount } from "@containerkit/mount";
import { checkLabels, checkOptions } from "./_arguments.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import { checkCommitted } from "./_checks.ts";
import { collectableOf } from "./_collectable.ts";
import { commitAll } from "./_commit.ts";
import { matches } from "./_filter.ts";
import { fsck } from "./_fsck.ts";
import { Handle, type HandleOwner } from "./_handle.ts";
import { type Made, makeSnapshot } from "./_make.ts";
import { mountableRow, openSnapshot } from "./_open_snapshot.ts";
import { recover } from "./_recover.ts";
import { removeRow } from "./_remove.ts";
import { repairRow } from "./_repair.ts";
import { toInfo } from "./_rows.ts";
import type { Store } from "./_store.ts";
import type { LayerSource } from "./layer_source.ts";
import type {
  SnapshotFilter,
  SnapshotInfo,
  SnapshotUsage,
} from "./snapshot_info.ts";
import { SnapshotStateError } from "./snapshot_state_error.ts";
import type {
  CommitOptions,
  PrepareOptions,
  SnapshotCallOptions,
  SnapshotCommit,
  UpdateOptions,
} from "./prepare_options.ts";
import type { AppliedLayer, ApplyOptions, Snapshot } from "./snapshot.ts";
import type { SnapshotCollectable } from "./snapshot_collectable.ts";
import type { SnapshotCapabilities, Snapshotter } from "./snapshotter.ts";
import type {
  FsckOptions,
  FsckProblem,
  VerifyOptions,
  VerifyResult,
} from "./verify_options.ts";

const trace = tracer("containerkit:snapshot");

/** The calls of a snapshotter on a store, the same for every driver. */
export class StoreSnapshotter implements Snapshotter, HandleOwner {
  readonly driver: string;
  readonly capabilities: SnapshotCapabilities;
  readonly collectable: SnapshotCollectable;
  readonly #store: Store;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
    this.driver = store.driver.name;
    this.capabilities = store.driver.capabilities;
    this.collectable = collectableOf(store);
  }

  #traced<T>(
    operation: string,
    snapshot: string,
    fn: () => T | Promise<T>,
  ): Promise<T> {
    const details = () => ({ driver: this.driver, snapshot });
    return trace(operation, details, async () => await fn());
  }

  #handle({ row, place }: Made): Snapshot {
    const mounts = this.#store.driver.mounts(place);
    return new Handle(row, { mounts, owner: this });
  }

  prepare(
    key: string,
    parent?: string,
    options: PrepareOptions = {},
  ): Promise<Snapshot> {
    return this.#traced("prepare", key, async () => {
      const make = { kind: "active", parent, options } as const;
      return this.#handle(await makeSnapshot(this.#store, key, make));
    });
  }

  view(
    key: string,
    parent?: string,
    options: PrepareOptions = {},
  ): Promise<Snapshot> {
    return this.#traced("view", key, async () => {
      const make = { kind: "view", parent, options } as const;
      return this.#handle(await makeSnapshot(this.#store, key, make));
    });
  }

  open(key: string): Promise<Snapshot> {
    const toHandle = (made: Made) => this.#handle(made);
    return this.#traced(
      "open",
      key,
      () => openSnapshot(this.#store, key, toHandle),
    );
  }

  mounts(key: string): Promise<readonly Mount[]> {
    return this.#traced("mounts", key, async () => {
      const row = await mountableRow(this.#store, "mount", key);
      return this.#store.driver.mounts(this.#store.place(row));
    });
  }

  apply(
    id: number,
    layer: ReadableStream<Uint8Array>,
    options: ApplyOptions,
  ): Promise<AppliedLayer> {
    const row = this.#store.rows.get(id);
    const key = row?.key ?? String(id);
    const apply = async () => {
      if (row?.kind !== "active") {
        throw new SnapshotStateError(
          "apply a layer to",
          key,
          "it is not active",
        );
      }
      const place = this.#store.place(row);
      return await this.#store.driver.apply(place, layer, options);
    };
    return this.#traced("apply", key, apply);
  }

  diff(id: number, options: DiffLayersOptions): Promise<LayerReader> {
    const row = this.#store.rows.get(id);
    return this.#traced("diff", row?.key ?? String(id), async () => {
      if (row === undefined) {
        throw new Deno.errors.NotFound(
          `Cannot diff snapshot ${id}: it is gone`,
        );
      }
      return await this.#store.driver.diff(this.#store.place(row), options);
    });
  }

  commit(
    name: string,
    key: string,
    options: CommitOptions = {},
  ): Promise<void> {
    return this.commitAll([{ name, key, options }], options);
  }

  commitAll(
    commits: readonly SnapshotCommit[],
    options: Pick<CommitOptions, "durability" | "signal"> = {},
  ): Promise<void> {
    const { durability = "full", signal } = options;
    const keys = commits.map(({ key }) => key).join(" ");
    return this.#traced(
      "commit",
      keys,
      () => commitAll(this.#store, commits, { durability, signal }),
    );
  }

  remove(name: string): Promise<void> {
    return this.#traced(
      "remove",
      name,
      () => removeRow(this.#store, this.#store.require("remove", name)),
    );
  }

  async discard(id: number): Promise<void> {
    const row = this.#store.rows.get(id);
    if (row === undefined || row.kind === "committed") return;
    await this.#traced("remove", row.key, () => removeRow(this.#store, row));
  }

  keep(id: number, isRoot: boolean): void {
    const { rows } = this.#store;
    const row = rows.get(id);
    // Before the lock goes: else garbage collection could take it in between.
    if (row !== undefined && row.root !== Number(isRoot)) {
      this.#store.quickly(() => rows.root(id, isRoot));
    }
    this.#store.release(id);
  }

  stat(name: string): Promise<SnapshotInfo> {
    return this.#traced(
      "stat",
      name,
      () => toInfo(this.#store.require("stat", name)),
    );
  }

  update(name: string, options: UpdateOptions): Promise<SnapshotInfo> {
    return this.#traced("update", name, () => {
      checkLabels("update", name, options.labels);
      checkOptions("update", name, options, [
        "labels",
        "replace",
        "signal",
      ]);
      const { rows, state } = this.#store;
      // What was just updated is kept for a while.
      const change = () =>
        state.transaction(() => {
          const row = this.#store.require("update", name);
          const old = options.replace === true ? {} : JSON.parse(row.labels);
          const labels = Object.entries({ ...old, ...options.labels })
            .filter(([, value]) => value !== null);
          rows.label(
            row.id,
            JSON.stringify(Object.fromEntries(labels)),
            Date.now(),
          );
          return toInfo(rows.get(row.id)!);
        });
      return this.#store.referring(change, options.signal);
    });
  }

  usage(
    name: string,
    options: SnapshotCallOptions = {},
  ): Promise<SnapshotUsage> {
    const { signal } = options;
    return this.#traced("usage", name, async () => {
      signal?.throwIfAborted();
      const row = this.#store.require("measure", name);
      const place = this.#store.place(row);
      return row.kind === "committed" && place.usage !== undefined
        ? place.usage
        : await this.#store.driver.usage(place, signal);
    });
  }

  async *walk(
    filter?: SnapshotFilter | readonly SnapshotFilter[],
  ): AsyncGenerator<SnapshotInfo> {
    for (const row of this.#store.rows.all()) {
      if (row.creating === 1) continue;
      const info = toInfo(row);
      if (matches(info, filter)) yield info;
    }
  }

  verify(name: string, options: VerifyOptions = {}): Promise<VerifyResult> {
    return this.#traced("verify", name, async () => {
      const row = this.#store.require("verify", name);
      checkCommitted("verify", row);
      return await this.#store.driver.verify(this.#store.place(row), options);
    });
  }

  repair(
    name: string,
    source: LayerSource,
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    return this.#traced("repair", name, () => {
      const row = this.#store.require("repair", name);
      return repairRow(this.#store, row, { to: this, source, ...options });
    });
  }

  fsck(options: FsckOptions = {}): Promise<FsckProblem[]> {
    return this.#traced("fsck", "", () => fsck(this.#store, options));
  }

  flatten(name: string, options: SnapshotCallOptions = {}): Promise<void> {
    const { signal } = options;
    return this.#traced("flatten", name, async () => {
      signal?.throwIfAborted();
      const row = this.#store.require("flatten", name);
      checkCommitted("flatten", row);
      await this.#store.driver.prepareParent?.(
        this.#store.place(row),
        signal,
      );
    });
  }

  cleanup(): Promise<void> {
    return this.#traced("cleanup", "", async () => {
      await this.#store.drain();
      const [failure] = await recover(this.#store);
      if (failure !== undefined) throw failure;
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#store.drain();
    this.#store[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
