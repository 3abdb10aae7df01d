import {
  describe,
  type Descriptor,
  digestBytes,
  parseManifest,
} from "@containerkit/oci";
import type { Image } from "../../image.ts";
import type { Repository } from "../../open_repository.ts";

/** A repository in memory, for tests; what it holds can be changed at will. */
export class MemorySource implements Repository {
  readonly manifests = new Map<string, Uint8Array>();
  readonly blobs = new Map<string, Uint8Array>();
  readonly listed: Descriptor[] = [];

  /** Takes a manifest, and lists it as a referrer if it is one. */
  add(bytes: Uint8Array, descriptor: Descriptor, tag?: string): void {
    this.manifests.set(descriptor.digest, bytes);
    if (tag !== undefined) this.manifests.set(tag, bytes);
    const { subject, artifactType } = parseManifest(bytes);
    if (subject === undefined) return;
    this.listed.push({
      ...descriptor,
      ...(artifactType === undefined ? {} : { artifactType }),
    });
  }

  /** Takes an image with its layers. */
  async push(image: Image, tag?: string): Promise<void> {
    this.add(image.raw.manifest, image.descriptor, tag);
    for (const layer of image.layers) {
      const bytes = await new Response(await layer.open()).bytes();
      this.blobs.set(digestBytes(bytes), bytes);
    }
  }

  resolve(name: string): Promise<Descriptor | undefined> {
    const bytes = this.manifests.get(name);
    return Promise.resolve(
      bytes === undefined
        ? undefined
        : describe(parseManifest(bytes).mediaType!, bytes),
    );
  }

  read({ digest }: Descriptor): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.manifests.get(digest) ?? this.blobs.get(digest);
    return bytes === undefined
      ? Promise.reject(new Deno.errors.NotFound(digest))
      : Promise.resolve(new Uint8Array(bytes));
  }

  async open(descriptor: Descriptor): Promise<ReadableStream<Uint8Array>> {
    return new Blob([await this.read(descriptor)]).stream();
  }

  async *referrers({ digest }: Descriptor): AsyncGenerator<Descriptor> {
    for (const one of this.listed) {
      const { subject } = parseManifest(await this.read(one));
      if (subject?.digest === digest) yield one;
    }
  }
}
