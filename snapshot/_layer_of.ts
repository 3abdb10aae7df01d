/** From steps to a layer. */
import { type LayerReader, writeLayer } from "@containerkit/tar/layer";
import { DiffWriter, type Place } from "./_diff_writer.ts";
import { isPortableXattr } from "./_is_portable_xattr.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { runSteps, type Step } from "./_run_steps.ts";
import { joined, openDir, openPath, statAt } from "./_walk_dir.ts";
import type { DiffLayersOptions } from "./diff_layers_options.ts";

/** A writer for a tree, and the rule for attributes. */
export function makeWriter(
  root: number,
  options: DiffLayersOptions,
): { writer: DiffWriter; isXattrKept: (key: string) => boolean } {
  const isXattrKept = options.isXattrKept ?? isPortableXattr;
  const latest = options.sourceDateEpoch ?? Infinity;
  const writer = new DiffWriter(
    { isXattrKept, latest, idmap: options.idmap },
    (above, below) => dirsBetween(root, above, below),
  );
  return { writer, isXattrKept };
}

/** The directories below one down to another, each with the one it lies in open. */
function* dirsBetween(
  root: number,
  above: string,
  below: string,
): Generator<Place> {
  const names = below.split("/");
  let known = above === "" ? 0 : above.split("/").length;
  let dirfd = openPath(root, names.slice(0, known), above);
  try {
    for (let path = above; known < names.length; known++) {
      if (path !== above) {
        const next = openDir(dirfd, names[known - 1]!, path);
        layerSymbols().close(dirfd);
        dirfd = next;
      }
      const name = names[known]!;
      path = joined(path, name);
      yield { dirfd, name, path, stat: statAt(dirfd, name, path) };
    }
  } finally {
    layerSymbols().close(dirfd);
  }
}

/** Runs the steps into a layer; `close` is called once, however it ends. */
export function layerOf(
  steps: () => Generator<Step>,
  options: DiffLayersOptions,
  close: () => void,
): LayerReader {
  const { compression = "gzip", level, signal } = options;
  async function* pieces() {
    try {
      yield* runSteps(steps(), signal);
    } finally {
      close();
    }
  }
  const generator = pieces();
  let started = false;
  const archive = new ReadableStream<Uint8Array>({
    async pull(controller) {
      started = true;
      const { done, value } = await generator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      // A generator that never began has no `finally` to run.
      if (started) await generator.return(undefined);
      else close();
    },
  }, { highWaterMark: 0 });
  return writeLayer(archive, {
    compression,
    ...(level === undefined ? {} : { level }),
    ...(signal === undefined ? {} : { signal }),
  });
}
