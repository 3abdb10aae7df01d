/** From steps to a layer. */
import { type LayerReader, writeLayer } from "@containerkit/tar/layer";
import {
  DiffWriter,
  isPortableXattr,
  type Place,
  runSteps,
  type Step,
} from "./_diff_writer.ts";
import { layerSymbols } from "./_layer_symbols.ts";
import { openDir, statAt } from "./_walk_dir.ts";
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
    (path) => reopen(root, path),
  );
  return { writer, isXattrKept };
}

/** Opens the directory that one lies in, again. */
function reopen(root: number, path: string): Place & Disposable {
  const names = path.split("/");
  const name = names.pop()!;
  let fd = root;
  const close = () => void (fd === root || layerSymbols().close(fd));
  try {
    for (const part of names) {
      const next = openDir(fd, part, path);
      close();
      fd = next;
    }
    const stat = statAt(fd, name, path);
    return { dirfd: fd, name, path, stat, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
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
