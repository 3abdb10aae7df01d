import type { BindMount } from "@containerkit/mount";
import { attach } from "./_attach.ts";
import { placeOf, type Store } from "./_stage.ts";
import { createVolume } from "./_create.ts";
import { driverOf } from "./_drivers.ts";
import { requireRow, type Row } from "./_row.ts";
import { runProgram } from "./_run_program.ts";

/** Options of `VolumeStore.clone`. */
export interface Cloning {
  readonly readonly?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly lease?: string;
  readonly signal?: AbortSignal;
}

/** Makes a volume that holds what another does; see `VolumeStore.clone`. */
export async function cloneVolume(
  store: Store,
  source: string,
  name: string,
  options: Cloning,
): Promise<Row> {
  const { kind } = requireRow(store.state, source, "clone");
  if (kind === "foreign" || kind === "view") {
    throw new Deno.errors.NotSupported(
      `Cannot clone volume "${source}": a volume of kind "${kind}" is kept elsewhere`,
    );
  }
  // Held, so that nobody removes it meanwhile.
  await using held = await attach(
    store,
    source,
    options.signal === undefined ? {} : { signal: options.signal },
  );
  const from = requireRow(store.state, source, "clone");
  const driver = driverOf(from.kind);
  const place = placeOf(store, from);
  const { size, inodes } = from;
  const { owner, mode, fstype } = from.options;
  return await createVolume(store, name, {
    ...options,
    kind: from.kind,
    owner,
    mode,
    ...(fstype === undefined ? {} : { fstype }),
    ...(size === undefined ? {} : { size }),
    ...(inodes === undefined ? {} : { inodes }),
  }, {
    populated: from.populated,
    ...(driver.clone === undefined || driver.clones?.(place) === false
      ? {
        fill: (root) =>
          runProgram(`clone volume "${source}"`, "cp", [
            "-a",
            "--reflink=auto",
            "--sparse=auto",
            `${(held.mounts[0] as BindMount).source}/.`,
            `${root}/`,
          ], options.signal),
      }
      : { make: (to) => driver.clone!(place, to, options.signal) }),
  });
}
