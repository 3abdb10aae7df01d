import { rootTest, runProgram, tempDir } from "@containerkit/tests";
import { encodeTarHeader, UntarStream } from "@containerkit/tar";
import { applyLayer, diffLayers, diffUpper } from "./mod.ts";
import { type LayerFixture, layerSuite } from "./testing.ts";

/** A folder of its own, on a filesystem that can be the upper of an overlay. */
async function makeRoot(): Promise<{ path: string } & AsyncDisposable> {
  const temp = tempDir();
  await runProgram("mount", ["-t", "tmpfs", "none", temp.path]);
  return {
    path: temp.path,
    async [Symbol.asyncDispose]() {
      await runProgram("umount", [temp.path]);
      temp[Symbol.dispose]();
    },
  };
}

/** Two trees: one is changed, the other follows by layers. */
async function doubleWalk(): Promise<LayerFixture> {
  const root = await makeRoot();
  const [work, copy] = [`${root.path}/work`, `${root.path}/copy`];
  Deno.mkdirSync(work);
  Deno.mkdirSync(copy);
  return {
    async apply(change, check) {
      change(work);
      await applyLayer(diffLayers(copy, work).readable, copy);
      check(copy);
    },
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

/** Leaves out directories that are in the layer only on the way to others. */
function withoutParents(
  archive: ReadableStream<Uint8Array>,
  isBelow: (path: string) => boolean,
): ReadableStream<Uint8Array> {
  async function* entries() {
    for await (
      const { header, readable } of archive.pipeThrough(new UntarStream())
    ) {
      if (header.typeflag === "5" && isBelow(header.name)) continue;
      yield encodeTarHeader(header);
      if (readable === undefined) continue;
      yield* readable;
      yield new Uint8Array((512 - header.size % 512) % 512);
    }
    yield new Uint8Array(1024);
  }
  return ReadableStream.from(entries());
}

function sameDirectory(a: string, b: string): boolean {
  try {
    const [one, other] = [Deno.lstatSync(a), Deno.lstatSync(b)];
    return one.isDirectory && one.mode === other.mode;
  } catch {
    return false;
  }
}

/** An overlay that grows by a layer each time; the layer is made of its upper directory, or by comparing. */
function overlay(
  { diff, parents = true }: { diff: "upper" | "walk"; parents?: boolean },
): () => Promise<LayerFixture> {
  return async () => {
    const root = await makeRoot();
    const layers: string[] = [];
    let count = 0;
    const folder = (name: string) => {
      const path = `${root.path}/${name}`;
      Deno.mkdirSync(path, { recursive: true });
      return path;
    };
    const lower = () => layers.length === 0 ? [folder("empty")] : layers;
    const mount = async (upper: string, target: string) => {
      const options = [
        `lowerdir=${lower().join(":")}`,
        `upperdir=${upper}`,
        `workdir=${folder(`work${++count}`)}`,
      ];
      await runProgram("mount", [
        "-t",
        "overlay",
        "none",
        "-o",
        options.join(","),
        target,
      ]);
      return {
        [Symbol.asyncDispose]: async () =>
          void await runProgram("umount", [target]),
      };
    };
    return {
      async apply(change, check) {
        const number = ++count;
        const [changed, merged, next] = [
          folder(`changed${number}`),
          folder("merged"),
          folder(`layer${number}`),
        ];
        let archive: Uint8Array<ArrayBuffer>;
        if (diff === "upper") {
          await using _changed = await mount(changed, merged);
          change(merged);
          const layer = diffUpper(changed, { compression: "none" });
          archive = await new Response(layer.readable).bytes();
        } else {
          await using _before = await mount(folder(`none${number}`), merged);
          await runProgram("cp", ["-a", `${merged}/.`, changed]);
          change(changed);
          const layer = diffLayers(merged, changed, { compression: "none" });
          const isBelow = (path: string) =>
            sameDirectory(`${merged}/${path}`, `${changed}/${path}`);
          archive = await new Response(
            parents ? layer.readable : withoutParents(layer.readable, isBelow),
          ).bytes();
        }
        await applyLayer(ReadableStream.from([archive]), next, {
          format: "overlay",
          parents: [...layers],
        });
        layers.unshift(next);
        await using _view = await mount(folder(`view${number}`), merged);
        check(merged);
      },
      [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
    };
  };
}

const options = {
  test: (name: string, fn: () => Promise<void>) => rootTest(name, fn),
};
layerSuite("diffLayers() and applyLayer()", doubleWalk, options);
layerSuite(
  "diffLayers() and applyLayer() on an overlay",
  overlay({ diff: "walk" }),
  options,
);
layerSuite(
  "diffLayers() and applyLayer() on an overlay without parent entries",
  overlay({ diff: "walk", parents: false }),
  options,
);
const broken =
  "an overlay gives a file that is written to a copy of its own, apart from its other names";
layerSuite(
  "diffUpper() and applyLayer() on an overlay",
  overlay({ diff: "upper" }),
  {
    ...options,
    skip: {
      Basic: broken,
      HardlinkUnmodified: broken,
      HardlinkBeforeUnmodified: broken,
      HardlinkBeforeModified: broken,
    },
  },
);
