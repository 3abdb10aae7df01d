import type { LayerReader } from "@containerkit/tar/layer";
import type { Mount } from "@containerkit/mount";
import { checkOptions } from "./_arguments.ts";
import { ending } from "./_ending.ts";
import type { Row } from "./_rows.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";
import type { CommitOptions } from "./prepare_options.ts";
import type {
  AppliedLayer,
  ApplyOptions,
  KeepOptions,
  Snapshot,
} from "./snapshot.ts";

/** What a snapshot asks of its store. */
export interface HandleOwner {
  /** How references to its snapshots begin. */
  readonly collectable: { readonly type: string };
  apply(
    id: number,
    layer: ReadableStream<Uint8Array>,
    options: ApplyOptions,
  ): Promise<AppliedLayer>;
  diff(id: number, options: DiffLayersOptions): Promise<LayerReader>;
  commit(name: string, key: string, options?: CommitOptions): Promise<void>;
  /** Removes it if it is still the one of that id. */
  discard(id: number): Promise<void>;
  /** Notes whether garbage collection leaves it from now on, and lets go of it. */
  keep(id: number, isRoot: boolean): void;
}

/** A snapshot as the caller has it. */
export class Handle implements Snapshot {
  readonly key: string;
  readonly type: string;
  readonly kind: "active" | "view";
  readonly mounts: readonly Mount[];
  readonly #id: number;
  readonly #owner: HandleOwner;
  #done = false;
  /** The commit that is under way, or was last. */
  #commit: Promise<void> | undefined;
  /** The layer that is being applied, or was last, and what ends it. */
  #applied: Promise<AppliedLayer> | undefined;
  readonly #end = new AbortController();

  constructor(
    row: Row,
    options: { mounts: readonly Mount[]; owner: HandleOwner },
  ) {
    this.key = row.key;
    this.type = options.owner.collectable.type;
    this.kind = row.kind === "view" ? "view" : "active";
    this.mounts = options.mounts;
    this.#id = row.id;
    this.#owner = options.owner;
  }

  #check(action: string): void {
    if (this.#done) throw this.#gone(action);
  }

  #gone(action: string): Error {
    return new Deno.errors.BadResource(
      `Cannot ${action} snapshot "${this.key}": it was committed, kept or disposed`,
    );
  }

  async apply(
    layer: ReadableStream<Uint8Array>,
    options: ApplyOptions = {},
  ): Promise<AppliedLayer> {
    return await ending(layer, () => {
      this.#check("apply a layer to");
      const signal = AbortSignal.any([
        this.#end.signal,
        ...(options.signal === undefined ? [] : [options.signal]),
      ]);
      this.#applied = this.#owner.apply(this.#id, layer, {
        ...options,
        signal,
      });
      return this.#applied;
    });
  }

  async diff(options: DiffLayersOptions = {}): Promise<LayerReader> {
    this.#check("diff");
    return await this.#owner.diff(this.#id, options);
  }

  async commit(name: string, options: CommitOptions = {}): Promise<void> {
    this.#check("commit");
    this.#commit = this.#owner.commit(name, this.key, options);
    await this.#commit;
    this.#done = true;
  }

  keep(options: KeepOptions = {}): void {
    checkOptions("keep", this.key, options, ["root"]);
    if (this.#done) return;
    this.#owner.keep(this.#id, options.root ?? true);
    this.#done = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Who left before it ended hears of what failed, not of this.
    await this.#commit?.catch(() => {});
    if (this.#done) return;
    this.#done = true;
    this.#end.abort(this.#gone("apply a layer to"));
    await this.#applied?.catch(() => {});
    await this.#owner.discard(this.#id);
  }
}
