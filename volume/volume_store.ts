/**
 * A store of volumes.
 *
 * @module
 */

import type { FileLock } from "@containerkit/state";
import { attach, detach } from "./_attach.ts";
import type { Store } from "./_stage.ts";
import type { AttachedVolume, AttachVolumeOptions } from "./attached_volume.ts";
import { attachIn } from "./_attach_in.ts";
import { findHot, listAttachments } from "./_attachments.ts";
import { cloneVolume } from "./_clone.ts";
import { collectableOf } from "./_collectable.ts";
import { createVolume } from "./_create.ts";
import type { CreateVolumeOptions } from "./create_volume_options.ts";
import { listVolumes } from "./_list.ts";
import { lockVolume } from "./_lock_volume.ts";
import { populate } from "./_populate.ts";
import { removeVolume } from "./_remove.ts";
import { resizeVolume } from "./_resize.ts";
import { findVolume, requireRow, toInfo } from "./_row.ts";
import { trace } from "./_trace.ts";
import { volumeUsage } from "./_usage.ts";
import type { VolumeAttachment } from "./volume_attachment.ts";
import type { VolumeCollectable } from "./volume_collectable.ts";
import type {
  CloneVolumeOptions,
  LockVolumeOptions,
  ResizeVolumeOptions,
  VolumeCallOptions,
  VolumeFilter,
} from "./volume_call_options.ts";
import type { VolumeInfo, VolumeUsage } from "./volume_info.ts";
import type { DetachVolumeOptions, VolumePlace } from "./volume_place.ts";

/**
 * Storage that outlives a container. Any number of processes may use one store
 * at the same time; every call that fails leaves it as it was. Made by `openVolumes()`.
 *
 * @example Usage
 * ```ts ignore
 * import { openVolumes } from "@containerkit/volume";
 *
 * await using volumes = await openVolumes();
 * await volumes.create("data", { kind: "image", size: 64 * 1024 * 1024 });
 * await using data = await volumes.attach("data", { nosuid: true });
 * console.log(data.mounts);
 * ```
 */
export class VolumeStore implements AsyncDisposable {
  readonly #store: Store;
  /** Its part in garbage collection. */
  readonly collectable: VolumeCollectable;

  /**
   * Takes over an open store; `openVolumes()` makes these.
   *
   * @param store The open store.
   */
  constructor(store: Store) {
    this.#store = store;
    this.collectable = collectableOf(store, (name) => this.#collect(name));
  }

  /**
   * Makes a volume.
   *
   * @param name Letters, digits, `_`, `.` and `-`, at most 128, starting with a letter or digit.
   * @throws {TypeError} If the name or the options do not fit the kind.
   * @throws {RangeError} If a limit is none, or too small for the kind, or there is no such owner or mode.
   * @throws {Deno.errors.AlreadyExists} If there is one of that name.
   * @throws {Deno.errors.NotSupported} If this filesystem or kernel cannot; says which kind can.
   */
  async create(
    name: string,
    options: CreateVolumeOptions = {},
  ): Promise<VolumeInfo> {
    const row = await this.#traced(
      "create",
      name,
      () => createVolume(this.#store, name, options),
    );
    return toInfo(row);
  }

  /** Describes a volume, or gives `undefined` if there is none. */
  get(name: string): VolumeInfo | undefined {
    const row = findVolume(this.#store.state, name);
    return row === undefined ? undefined : toInfo(row);
  }

  /** Lists volumes by name, all or those that the filter chooses. */
  list(filter: VolumeFilter = {}): VolumeInfo[] {
    return listVolumes(this.#store.state, filter);
  }

  /**
   * Replaces the labels of a volume.
   *
   * @throws {Deno.errors.NotFound} If there is none.
   */
  setLabels(
    name: string,
    labels: Readonly<Record<string, string>>,
  ): VolumeInfo {
    const { state } = this.#store;
    return state.transaction(() => {
      const { id } = requireRow(state, name, "label");
      state.prepare("UPDATE volumes SET labels = ? WHERE id = ?")
        .run(JSON.stringify(labels), id);
      return toInfo(requireRow(state, name, "label"));
    });
  }

  /**
   * Removes a volume and all that it holds. What fails half-way, or is called off, another call
   * goes on with, and each `openVolumes()`; until then the name is taken.
   *
   * @throws {Deno.errors.NotFound} If there is none.
   * @throws {Deno.errors.Busy} If it is used, or something is mounted in it; says by whom or where.
   */
  async remove(name: string, options: VolumeCallOptions = {}): Promise<void> {
    await this.#traced(
      "remove",
      name,
      () => removeVolume(this.#store, name, options.signal),
    );
  }

  /**
   * Removes the volumes that nobody uses, all or those that the filter chooses. What is removed when it is called off stays so.
   *
   * @returns The names of those removed.
   * @throws {AggregateError} If some cannot be removed; the others are.
   */
  async prune(
    filter: VolumeFilter = {},
    options: VolumeCallOptions = {},
  ): Promise<string[]> {
    const { signal } = options;
    const removed: string[] = [];
    const failures: unknown[] = [];
    for (const { name } of this.list(filter)) {
      signal?.throwIfAborted();
      try {
        if (await this.#collect(name, options)) removed.push(name);
      } catch (error) {
        failures.push(error);
      }
    }
    signal?.throwIfAborted();
    if (failures.length === 0) return removed;
    throw new AggregateError(
      failures,
      `Cannot remove ${failures.length} of the volumes: ${failures[0]}`,
    );
  }

  /**
   * Counts what a volume holds: at once where the kernel can say it, else by a walk.
   *
   * @throws {Deno.errors.NotFound} If there is none.
   */
  async usage(
    name: string,
    options: VolumeCallOptions = {},
  ): Promise<VolumeUsage> {
    return await volumeUsage(this.#store, name, options.signal);
  }

  /**
   * Changes the limits of a volume, in use or not.
   *
   * @throws {RangeError} If a limit is below what it holds.
   * @throws {Deno.errors.NotSupported} If its kind has no limits.
   */
  async resize(
    name: string,
    options: ResizeVolumeOptions,
  ): Promise<VolumeInfo> {
    const { signal, ...limits } = options;
    await this.#traced(
      "resize",
      name,
      () => resizeVolume(this.#store, name, limits, signal),
    );
    return toInfo(requireRow(this.#store.state, name, "resize"));
  }

  /**
   * Makes a volume of the same kind that holds what another does: at once on
   * btrfs and xfs, else as a copy. The other one may be in use; an image is frozen meanwhile.
   *
   * @throws {Deno.errors.NotFound} If there is no such volume.
   * @throws {Deno.errors.NotSupported} If it is kept elsewhere, as foreign volumes and views are.
   * @throws {Deno.errors.AlreadyExists} If the new name is taken.
   */
  async clone(
    source: string,
    name: string,
    options: CloneVolumeOptions = {},
  ): Promise<VolumeInfo> {
    const row = await this.#traced(
      "clone",
      source,
      () => cloneVolume(this.#store, source, name, options),
    );
    return toInfo(row);
  }

  /**
   * Fills a volume unless somebody has, or it holds something already. Atomic:
   * nobody can attach it before it is filled, and if that fails or the process dies it is empty again.
   *
   * @param name The volume.
   * @param fill Writes into the root it is given, such as `applyLayer()` of `@containerkit/snapshot` does.
   * @returns Whether this call filled it.
   * @throws {Deno.errors.Busy} If it is attached.
   * @throws {TypeError} If it is read-only.
   * @throws {AggregateError} If filling failed, and what was written could not be removed either: the next call does.
   */
  async populate(
    name: string,
    fill: (root: string, options: { signal?: AbortSignal }) => Promise<unknown>,
    options: VolumeCallOptions = {},
  ): Promise<boolean> {
    return await this.#traced(
      "populate",
      name,
      () => populate(this.#store, name, fill, options),
    );
  }

  /**
   * Locks a volume across processes, for those who ask: access modes are made of it. The kernel drops it when its
   * holder dies.
   *
   * @throws {Deno.errors.NotFound} If there is none, or it is removed while this waits.
   */
  async lock(
    name: string,
    options: LockVolumeOptions = {},
  ): Promise<FileLock> {
    return await lockVolume(this.#store, name, {
      ...options,
      suffix: "",
      action: "lock",
    });
  }

  /**
   * Gets a volume ready to be mounted, with attributes for the mount. While it
   * is attached it cannot be removed.
   *
   * @throws {Deno.errors.NotFound} If there is none.
   * @throws {Deno.errors.Busy} If it is being filled.
   */
  async attach(
    name: string,
    options: AttachVolumeOptions = {},
  ): Promise<AttachedVolume> {
    return await this.#traced(
      "attach",
      name,
      () => attach(this.#store, name, options),
    );
  }

  /**
   * Attaches a volume in the mounts of a running process, such as a container, without stopping it. Disposing takes it away again;
   * after `keep()`, and when this process dies, it stays until `detachFrom()`, `detach()` or the end of that process.
   *
   * @param name The volume.
   * @param place The process, and where in its mounts.
   * @param options Attributes of the mount.
   * @throws {TypeError} If the place is no absolute path.
   * @throws {Deno.errors.NotFound} If there is no such volume or process.
   * @throws {Deno.errors.Busy} If it is being filled.
   * @throws {SyscallError} If the kernel refuses, such as `ENOENT` if the place is not there. Nothing is attached then.
   */
  async attachIn(
    name: string,
    place: VolumePlace,
    options: AttachVolumeOptions = {},
  ): Promise<AttachedVolume> {
    return await this.#traced(
      "attach",
      name,
      () => attachIn(this.#store, name, place, options),
    );
  }

  /**
   * Lists who uses volumes at this moment, whatever process attached them: by volume, the oldest first. Those of dead processes
   * and of earlier boots are none. A call that works in a volume counts while it does.
   *
   * @param name Only of this volume.
   * @throws {Deno.errors.NotFound} If there is no such volume.
   *
   * @example Who has it
   * ```ts ignore
   * import { openVolumes } from "@containerkit/volume";
   *
   * await using volumes = await openVolumes();
   * for (const { id, owner, place, created } of volumes.attachments("data")) {
   *   console.log(id, owner ?? "kept", place?.target, created);
   * }
   * ```
   */
  attachments(name?: string): VolumeAttachment[] {
    const { state } = this.#store;
    if (name !== undefined) requireRow(state, name, "list who uses");
    return listAttachments(state, name);
  }

  /**
   * Lets go of an attachment that was kept; nothing happens if it is gone.
   *
   * @throws {Deno.errors.Busy} If it is in the mounts of a running process and used there, with who it is as far as `/proc` shows. It stays attached then.
   */
  async detach(id: string, options: DetachVolumeOptions = {}): Promise<void> {
    await detach(this.#store, id, options);
  }

  /**
   * Takes what `attachIn()` put there from the mounts of a running process, also if another process did.
   *
   * @param place Where; of several on one place the last.
   * @throws {Deno.errors.NotFound} If no volume is there.
   * @throws {Deno.errors.Busy} If it is used there, with who it is as far as `/proc` shows. It stays attached then.
   */
  async detachFrom(
    place: VolumePlace,
    options: DetachVolumeOptions = {},
  ): Promise<void> {
    const { process, target } = place;
    const id = findHot(this.#store.state, process, target);
    if (id === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot detach a volume from "${target}" of process ${process}: there is none`,
      );
    }
    await detach(this.#store, id, options);
  }

  /** Closes the store; volumes and kept attachments stay. A second call does nothing. */
  close(): Promise<void> {
    this.#store.state.close();
    return Promise.resolve();
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #traced<T>(
    operation: string,
    volume: string,
    fn: () => Promise<T>,
  ): Promise<T> {
    return trace(operation, () => ({ volume }), fn);
  }

  async #collect(
    name: string,
    options: VolumeCallOptions = {},
  ): Promise<boolean> {
    try {
      await this.remove(name, options);
      return true;
    } catch (error) {
      if (
        error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.Busy
      ) return false;
      throw error;
    }
  }
}
