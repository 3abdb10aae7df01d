import { type Descriptor, parseDigest, parseManifest } from "@containerkit/oci";
import {
  addReferences,
  removeReferences,
  withReferenceLock,
} from "./_references.ts";
import { completeEdges } from "./_adopt.ts";
import { internDigest, leaseItem } from "./_blobs.ts";
import { checkImage } from "./_check_image.ts";
import { type Context, nextGeneration, reason } from "./_context.ts";
import { type Fields, matches, parseFilters } from "./_filter.ts";
import { isIndexForeign, takeInIndex, writeIndex } from "./_index_json.ts";
import {
  changeLabels,
  checkLabels,
  indexLabels,
  labelOf,
  type Labels,
} from "./_labels.ts";
import { trace } from "./_trace.ts";
import type {
  CheckImageOptions,
  CreateImageOptions,
  ImageCheck,
  Images,
  NamedImage,
} from "./images.ts";
import type { Store } from "./store.ts";

/** The characters of `org.opencontainers.image.ref.name`, in any order that a registry's names have. */
const NAME_REGEXP =
  /^[A-Za-z0-9]+(?:[-._:@+]+[A-Za-z0-9]+)*(?:\/[A-Za-z0-9]+(?:[-._:@+]+[A-Za-z0-9]+)*)*$/;
const LONGEST_NAME = 512;

interface ImageRow {
  readonly id: number;
  readonly name: string;
  readonly descriptor: string;
  readonly labels: string;
  readonly created: number;
  readonly updated: number;
}

function toImage(row: ImageRow): NamedImage {
  return {
    name: row.name,
    descriptor: JSON.parse(row.descriptor),
    labels: JSON.parse(row.labels),
    created: new Date(row.created),
    updated: new Date(row.updated),
  };
}

function fieldsOf(image: NamedImage): Fields {
  return ([name, ...rest]) => {
    if (name === "name") return image.name;
    if (name === "labels") return labelOf(image.labels, rest);
    if (name !== "target") return undefined;
    if (rest[0] === "digest") return image.descriptor.digest;
    return rest[0] === "mediatype" ? image.descriptor.mediaType : undefined;
  };
}

function checkName(name: string): void {
  if (name.length > LONGEST_NAME || !NAME_REGEXP.test(name)) {
    throw new SyntaxError(
      `Cannot name an image ${
        JSON.stringify(name.slice(0, 160))
      }: an image layout cannot show that name`,
    );
  }
}

/** The descriptor as it is stored: its name in some other layout is not its name here. */
function strip(name: string, descriptor: Descriptor): Descriptor {
  parseDigest(descriptor.digest);
  try {
    const index = { schemaVersion: 2, manifests: [descriptor] };
    parseManifest(new TextEncoder().encode(JSON.stringify(index)));
  } catch (cause) {
    throw new TypeError(
      `Cannot name an image ${
        JSON.stringify(name)
      }: index.json cannot show its descriptor: ${reason(cause)}`,
      { cause },
    );
  }
  const { annotations, data: _, ...rest } = descriptor;
  const { "org.opencontainers.image.ref.name": _name, ...others } =
    annotations ?? {};
  return Object.keys(others).length === 0
    ? rest
    : { ...rest, annotations: others };
}

/** The names, kept in the database and shown in `index.json`. */
export class FileImages implements Images {
  readonly #context: Context;
  readonly #store: Store;

  constructor(context: Context, store: Store) {
    this.#context = context;
    this.#store = store;
  }

  #row(name: string): ImageRow | undefined {
    const { state, namespace } = this.#context;
    return state.prepare(
      "SELECT * FROM images WHERE namespace = ? AND name = ?",
    ).get(namespace.id, name) as unknown as ImageRow | undefined;
  }

  #require(name: string): ImageRow {
    const row = this.#row(name);
    if (row === undefined) {
      throw new Deno.errors.NotFound(
        `Cannot find image "${name}": there is no such name`,
      );
    }
    return row;
  }

  /** Another program may be in the midst of writing the index: it is given a moment before a change is refused. */
  async #change<T>(
    change: () => T,
    { makesRoom = false } = {},
  ): Promise<T> {
    const { state } = this.#context;
    const write = () =>
      state.transaction<unknown>(() => {
        takeInIndex(this.#context);
        const value = change();
        writeIndex(this.#context);
        return value;
      }) as T;
    for (let attempt = 0;; attempt++) {
      try {
        return makesRoom ? state.makeRoom<unknown>(write) as T : write();
      } catch (error) {
        if (!(error instanceof Deno.errors.InvalidData) || attempt === 10) {
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** Names can be read whatever another program made of the index. */
  #look(): void {
    if (!isIndexForeign(this.#context)) return;
    try {
      this.#context.state.transaction(() => takeInIndex(this.#context));
    } catch (error) {
      if (!(error instanceof Deno.errors.InvalidData)) throw error;
      trace("index unreadable", { error });
    }
  }

  async create(
    name: string,
    descriptor: Descriptor,
    options: CreateImageOptions = {},
  ): Promise<NamedImage> {
    checkName(name);
    const { labels = {}, references = [], replace = false } = options;
    checkLabels(labels);
    const stripped = strip(name, descriptor);
    await withReferenceLock(
      this.#context,
      references,
      () =>
        this.#change(() => {
          const old = this.#row(name);
          if (old !== undefined && !replace) {
            throw new Deno.errors.AlreadyExists(
              `Cannot create image "${name}": the name is there already`,
            );
          }
          this.#write(name, stripped, { old, labels });
          const source = { type: "image", id: name };
          removeReferences(this.#context, source);
          addReferences(this.#context, source, references);
        }),
    );
    trace("name", { name, digest: descriptor.digest });
    return toImage(this.#require(name));
  }

  #write(
    name: string,
    descriptor: Descriptor,
    options: { old: ImageRow | undefined; labels: Labels },
  ): void {
    const { state, namespace } = this.#context;
    const { old, labels } = options;
    const now = Date.now();
    const generation = nextGeneration(this.#context);
    const before = old === undefined
      ? undefined
      : (JSON.parse(old.descriptor) as Descriptor).digest;
    const { id } = state.prepare(
      `INSERT INTO images (namespace, name, digest, descriptor, ref_name, labels, created, updated, generation)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET digest = excluded.digest, descriptor = excluded.descriptor,
         labels = excluded.labels, updated = max(updated + 1, excluded.updated),
         generation = excluded.generation, previous = ?
       RETURNING id`,
    ).get(
      namespace.id,
      name,
      internDigest(this.#context, descriptor.digest),
      JSON.stringify(descriptor),
      name,
      JSON.stringify(labels),
      now,
      now,
      generation,
      before === descriptor.digest ? null : before ?? null,
    )!;
    indexLabels(this.#context, { kind: "image", id: Number(id) }, {
      from: old === undefined ? {} : JSON.parse(old.labels),
      to: labels,
    });
    leaseItem(this.#context, { type: "image", id: name }, generation);
    completeEdges(this.#context, descriptor.digest);
  }

  // deno-lint-ignore require-await
  async get(name: string): Promise<NamedImage | undefined> {
    this.#look();
    const row = this.#row(name);
    return row === undefined ? undefined : toImage(row);
  }

  async update(
    name: string,
    changes: {
      descriptor?: Descriptor;
      labels?: Readonly<Record<string, string | null>>;
    },
  ): Promise<NamedImage> {
    const given = changes.descriptor === undefined
      ? undefined
      : strip(name, changes.descriptor);
    await this.#change(() => {
      const old = this.#require(name);
      this.#write(name, given ?? JSON.parse(old.descriptor), {
        old,
        labels: changeLabels(
          JSON.parse(old.labels),
          changes.labels ?? {},
          false,
        ),
      });
    });
    return toImage(this.#require(name));
  }

  // deno-lint-ignore require-await
  async list(filters?: string | readonly string[]): Promise<NamedImage[]> {
    const parsed = parseFilters(filters);
    this.#look();
    const { state, namespace } = this.#context;
    const rows = state.prepare(
      "SELECT * FROM images WHERE namespace = ? ORDER BY name",
    ).all(namespace.id) as unknown as ImageRow[];
    return rows.map(toImage).filter((image) =>
      matches(parsed, fieldsOf(image))
    );
  }

  async delete(name: string): Promise<boolean> {
    const deleted = await this.#change(() => {
      const row = this.#row(name);
      if (row === undefined) return false;
      indexLabels(this.#context, { kind: "image", id: row.id }, {
        from: JSON.parse(row.labels),
        to: {},
      });
      removeReferences(this.#context, { type: "image", id: name });
      this.#context.state.prepare("DELETE FROM images WHERE id = ?")
        .run(row.id);
      return true;
    }, { makesRoom: true });
    if (deleted) trace("unname", { name });
    return deleted;
  }

  async check(
    name: string | Descriptor,
    options: CheckImageOptions = {},
  ): Promise<ImageCheck> {
    if (typeof name === "string") this.#look();
    const top = typeof name === "string"
      ? toImage(this.#require(name)).descriptor
      : name;
    return await checkImage(this.#store, top, options);
  }
}
