import type { BlobStore } from "../blob_store.ts";
import { describe, digestBytes, MediaType } from "@containerkit/oci";
import { TarStream, type TarStreamInput, UntarStream } from "@containerkit/tar";
import { compress } from "@containerkit/tar/layer";
import { openImage } from "../open_image.ts";
import { packImage } from "../pack/mod.ts";
import { storeBytes } from "../_store.ts";
import { createMemoryStore } from "../registry/create_memory_store.ts";

export const NAME = "docker.io/library/app:1";
const LINUX = { os: "linux", architecture: "amd64" };
export const encoder = new TextEncoder();

export type Files = Record<
  string,
  Uint8Array | { symlink: string } | { link: string }
>;

function toEntry([path, content]: [string, Files[string]]): TarStreamInput {
  if (content instanceof Uint8Array) {
    return {
      type: "file",
      path,
      size: content.length,
      readable: new Blob([new Uint8Array(content)]).stream(),
    };
  }
  return "symlink" in content
    ? { type: "symlink", path, linkname: content.symlink }
    : { type: "link", path, linkname: content.link };
}

export function tar(
  files: Files | [string, Files[string]][],
): ReadableStream<Uint8Array> {
  const list = Array.isArray(files) ? files : Object.entries(files);
  return ReadableStream.from(list.map(toEntry)).pipeThrough(new TarStream());
}

export async function untar(
  archive: ReadableStream<Uint8Array>,
): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for await (
    const { path, readable, header } of archive.pipeThrough(new UntarStream())
  ) {
    if (header.typeflag !== "0") continue;
    files[path] = readable === undefined
      ? new Uint8Array()
      : await new Response(readable).bytes();
  }
  return files;
}

export async function layerTar(text: string): Promise<Uint8Array> {
  return await new Response(tar({ file: encoder.encode(text) })).bytes();
}

/** The same, compressed. */
export async function zstdTar(text: string): Promise<Uint8Array> {
  const layer = new Blob([new Uint8Array(await layerTar(text))]).stream();
  return await new Response(compress(layer, { compression: "zstd" })).bytes();
}

export async function packed() {
  const store = createMemoryStore();
  const image = await packImage(store, {
    platform: LINUX,
    layers: [{ archive: tar({ a: encoder.encode("1") }) }, {
      archive: tar({ b: encoder.encode("2") }),
    }],
  });
  return {
    store,
    image,
    named: { descriptor: image.descriptor, names: [NAME] },
  };
}

/** An artifact that looks like an image but for its config, as policy bundles are. */
export async function packedBundle() {
  const { store, image } = await packed();
  const encode = (value: unknown) => encoder.encode(JSON.stringify(value));
  const config = encode({});
  const described = describe(MediaType.Config, config);
  const manifest = encode({ ...image.manifest, config: described });
  const descriptor = describe(MediaType.Manifest, manifest);
  await storeBytes(store, config, { descriptor: described });
  await storeBytes(store, manifest, { descriptor });
  return { store, bundle: await openImage(store, descriptor) };
}

/** A store that counts, with what was written but not committed. */
export function watched(store = createMemoryStore()) {
  const committed: string[] = [];
  const opened: string[] = [];
  return {
    committed,
    opened,
    store: {
      stat: store.stat,
      open: store.open,
      async writer(...given: Parameters<typeof store.writer>) {
        opened.push(given[1]?.descriptor?.digest ?? given[0]);
        const writer = await store.writer(...given);
        return {
          get offset() {
            return writer.offset;
          },
          write: writer.write,
          truncate: writer.truncate!,
          abort: writer.abort,
          async commit(size: number, digest: string) {
            await writer.commit(size, digest);
            committed.push(digest);
          },
        };
      },
    } satisfies BlobStore,
  };
}

/** An archive of `docker save` before version 25, whose second layer is a link to the first of another image. */
export async function oldDockerArchive() {
  const [first, second] = await Promise.all([layerTar("1"), layerTar("2")]);
  const zstd = await zstdTar("2");
  const config = encoder.encode(JSON.stringify({
    ...LINUX,
    rootfs: {
      type: "layers",
      diff_ids: [
        digestBytes(first!),
        digestBytes(first!),
        digestBytes(second!),
      ],
    },
  }));
  const files: Files = {
    "aaa/layer.tar": first!,
    "aaa/VERSION": encoder.encode("1.0"),
    "aaa/json": encoder.encode("{}"),
    "bbb/layer.tar": { symlink: "../aaa/layer.tar" },
    "ccc/layer.tar": zstd,
    "config.json": config,
    "repositories": encoder.encode('{"app":{"1":"bbb"}}'),
    "manifest.json": encoder.encode(JSON.stringify([{
      Config: "config.json",
      RepoTags: ["app:1", "localhost:5000/app:1"],
      Layers: ["aaa/layer.tar", "bbb/layer.tar", "ccc/layer.tar"],
    }])),
  };
  return files;
}

/** An archive with a `manifest.json` whose files are blobs, and no image layout: its layers are 1 and 2 unless others are given. */
export async function blobDockerArchive(
  layers?: readonly Uint8Array[],
): Promise<Files> {
  const tars = [await layerTar("1"), await layerTar("2")];
  const given = layers ?? [tars[0]!, await zstdTar("2")];
  const pathOf = (bytes: Uint8Array) =>
    `blobs/sha256/${digestBytes(bytes).slice(7)}`;
  const config = encoder.encode(JSON.stringify({
    ...LINUX,
    rootfs: {
      type: "layers",
      diff_ids: tars.slice(0, given.length).map((layer) => digestBytes(layer)),
    },
  }));
  return {
    ...Object.fromEntries(given.map((layer) => [pathOf(layer), layer])),
    [pathOf(config)]: config,
    "manifest.json": encoder.encode(JSON.stringify([{
      Config: pathOf(config),
      RepoTags: ["app:1"],
      Layers: given.map(pathOf),
    }])),
  };
}
