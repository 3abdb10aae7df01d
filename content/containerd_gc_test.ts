import { assertEquals } from "@std/assert";
import { tempDir } from "../tests/mod.ts";
import {
  collect,
  type Collectable,
  containerdReferences,
  openStore,
  type Store,
} from "./mod.ts";
import { digestBytes } from "@containerkit/oci";

// The tables of containerd's TestGCRoots and TestGCRefs (core/metadata/gc_test.go), namespace by namespace: what is stored with
// which labels, what is kept for its own sake, and what refers to what.

const REF = "containerd.io/gc.ref.";
const BREF = "containerd.io/gc.bref.";
const PAST = new Date(Date.now() - 3_600_000).toISOString();
const FUTURE = new Date(Date.now() + 3_600_000).toISOString();
const NOW = { grace: 0, ingestAge: 0 };

type Labels = Record<string, string>;

const content = (number: number) => `content ${number}`;
const bytes = (number: number) => new TextEncoder().encode(content(number));
const digest = (number: number) => digestBytes(content(number));

interface World {
  readonly contents?: readonly (readonly [number: number, labels?: Labels])[];
  readonly images?: readonly (readonly [
    name: string,
    target: number,
    labels?: Labels,
  ])[];
  /** Snapshots as `overlay/sn1`, with a parent in the same snapshotter. */
  readonly snapshots?: readonly (readonly [
    name: string,
    parent: string,
    labels?: Labels,
  ])[];
  readonly containers?: readonly (readonly [
    name: string,
    snapshot: string,
    labels?: Labels,
  ])[];
}

/** The things of one type, as another component would list them. */
function listed(
  type: string,
  things: readonly (readonly [name: string, other: string, labels?: Labels])[],
  options: { other: string; root?: boolean },
): Collectable {
  return {
    type,
    async *list() {
      for (const [id, , labels = {}] of things) {
        yield {
          id,
          labels,
          created: new Date(0),
          ...(options.root ? { root: true } : {}),
        };
      }
    },
    async *references(id) {
      const other = things.find(([name]) => name === id)?.[1];
      if (other) yield { type: options.other, id: other };
    },
    async remove() {},
  };
}

function collectablesOf(world: World, root: boolean): Collectable[] {
  const { snapshots = [], containers = [] } = world;
  const kinds = Map.groupBy(snapshots, ([name]) => name.split("/")[0]!);
  return [
    ...[...kinds].map(([kind, things]) =>
      listed(
        `snapshot/${kind}`,
        things.map(([name, ...rest]) => [name.split("/")[1]!, ...rest]),
        { other: `snapshot/${kind}` },
      )
    ),
    listed("container", containers, { other: "snapshot/overlay", root }),
  ];
}

async function build(store: Store, world: World): Promise<void> {
  for (const [number, labels = {}] of world.contents ?? []) {
    await store.put(bytes(number), { labels });
  }
  for (const [name, target, labels = {}] of world.images ?? []) {
    await store.images.create(name, {
      mediaType: "text/plain",
      digest: digest(target),
      size: bytes(target).length,
    }, { labels });
  }
}

/** All there is, and what of it would be kept. */
async function kept(
  store: Store,
  world: World,
  root: boolean,
): Promise<string[]> {
  const { removed } = await collect(store, {
    ...NOW,
    dryRun: true,
    collectables: collectablesOf(world, root),
  });
  const numbers = new Map(
    Array.from({ length: 40 }, (_, number) => [digest(number), number]),
  );
  const nameOf = (type: string, id: string) =>
    type === "blob"
      ? `content/${numbers.get(id)}`
      : `${type.replace("snapshot/", "")}/${id}`;
  const gone = new Set(removed.map(({ type, id }) => nameOf(type, id)));
  const all = [
    ...(world.contents ?? []).map(([number]) => `content/${number}`),
    ...(world.images ?? []).map(([name]) => `image/${name}`),
    ...(world.snapshots ?? []).map(([name]) => name),
    ...(world.containers ?? []).map(([name]) => `container/${name}`),
  ];
  return all.filter((name) => !gone.has(name)).toSorted();
}

/** What is reached, the slow and plain way. */
function closure(
  roots: readonly string[],
  references: Readonly<Record<string, readonly string[]>>,
): Set<string> {
  const reached = new Set<string>();
  const queue = [...roots];
  for (let next; (next = queue.pop()) !== undefined;) {
    if (reached.has(next)) continue;
    reached.add(next);
    queue.push(...references[next] ?? []);
  }
  return reached;
}

const REFS_NS1: World = {
  contents: [
    [1],
    [2],
    [3],
    [4, { [`${REF}content`]: digest(1) }],
    [5, {
      [`${REF}content.anything-1`]: digest(2),
      [`${REF}content.anything-2`]: digest(3),
    }],
    [6, { [`${REF}contentbad`]: digest(1) }],
    [7, {
      [`${REF}content/anything-1`]: digest(2),
      [`${REF}content/anything-2`]: digest(3),
      [`${BREF}container`]: "container3",
    }],
    [8],
    [9],
    [10, {
      [`${BREF}container`]: "container1",
      [`${BREF}content`]: digest(5),
      [`${BREF}image`]: "image2",
      [`${BREF}snapshot.btrfs`]: "sn1",
    }],
    [30],
  ],
  images: [
    ["image1", 3],
    ["image2", 4, {
      [`${REF}image.anything`]: "image1",
      [`${REF}content.anotherimage`]: digest(5),
    }],
    ["image4", 10, { [`${BREF}image`]: "image2" }],
    ["image5", 30, {
      "containerd.io/gc.cond.snapshot.overlay": "usedat<2h|sn10",
    }],
  ],
  snapshots: [
    ["overlay/sn1", ""],
    ["overlay/sn2", "sn1"],
    ["overlay/sn3", "sn2"],
    ["overlay/sn4", "", {
      [`${REF}snapshot.btrfs`]: "sn1",
      [`${REF}snapshot.overlay`]: "sn1",
    }],
    ["overlay/sn5", "", {
      [`${REF}snapshot.overlay/anything-1`]: "sn1",
      [`${REF}snapshot.overlay/anything-2`]: "sn2",
    }],
    ["overlay/sn6", ""],
    ["overlay/sn7", ""],
    ["overlay/sn8", ""],
    ["overlay/sn9", ""],
    ["overlay/sn10", "", {
      "containerd.io/gc.cond.value-usedat": new Date(Date.now() - 1_800_000)
        .toISOString(),
    }],
    ["btrfs/sn1", ""],
  ],
  containers: [
    ["container1", "sn4"],
    ["container2", "sn5", { [`${REF}snapshot.overlay`]: "sn6" }],
    ["container3", "sn7", {
      [`${REF}snapshot.overlay/anything-1`]: "sn8",
      [`${REF}snapshot.overlay/anything-2`]: "sn9",
      [`${REF}content`]: digest(7),
    }],
    ["container4", "", {
      [`${REF}content.0`]: digest(8),
      [`${REF}content.1`]: digest(9),
    }],
  ],
};

const REFERENCES_NS1: Readonly<Record<string, readonly string[]>> = {
  "content/1": [],
  "content/2": [],
  "content/3": [],
  "content/4": ["content/1"],
  "content/5": ["content/10", "content/2", "content/3"],
  "content/6": [],
  "content/7": ["content/2", "content/3"],
  "overlay/sn1": [],
  "overlay/sn2": ["overlay/sn1"],
  "overlay/sn3": ["overlay/sn2"],
  "overlay/sn4": ["btrfs/sn1", "overlay/sn1"],
  "overlay/sn5": ["overlay/sn1", "overlay/sn2"],
  "btrfs/sn1": ["content/10"],
  "container/container1": ["content/10", "overlay/sn4"],
  "container/container2": ["overlay/sn5", "overlay/sn6"],
  "container/container3": [
    "content/7",
    "overlay/sn7",
    "overlay/sn8",
    "overlay/sn9",
  ],
  "container/container4": ["content/8", "content/9"],
  "image/image1": ["content/3"],
  "image/image2": [
    "content/10",
    "content/4",
    "content/5",
    "image/image1",
    "image/image4",
  ],
  "image/image4": ["content/10"],
  "image/image5": ["content/30", "overlay/sn10"],
};

const REFS_NS3: World = {
  contents: [
    [1],
    [2, { [`${REF}content.0`]: digest(1) }],
    [10, { [`${BREF}container`]: "container1" }],
    [20, { "containerd.io/gc.cond.snapshot.overlay": "usedat<2h|sn6" }],
    [21, { "containerd.io/gc.cond.snapshot.overlay": "usedat<2h|sn7" }],
  ],
  containers: [["container1", ""]],
  snapshots: [
    ["overlay/sn1", ""],
    ["overlay/sn2", "sn1"],
    ["overlay/sn3", "", {
      [`${REF}snapshot.btrfs`]: "sn1",
      [`${REF}snapshot.overlay`]: "sn1",
    }],
    ["overlay/sn4", ""],
    ["overlay/sn5", ""],
    ["overlay/sn6", "sn4", {
      "containerd.io/gc.cond.value-usedat": PAST,
    }],
    ["overlay/sn7", "sn5", {
      "containerd.io/gc.cond.value-usedat": new Date(Date.now() - 3 * 3_600_000)
        .toISOString(),
    }],
    ["btrfs/sn1", ""],
  ],
};

const REFERENCES_NS3: Readonly<Record<string, readonly string[]>> = {
  "container/container1": ["content/10"],
  "content/2": ["content/1"],
  "content/20": ["overlay/sn6"],
  "content/21": [],
  "overlay/sn2": ["overlay/sn1"],
  "overlay/sn3": ["btrfs/sn1", "overlay/sn1"],
  "overlay/sn6": ["overlay/sn4"],
  "overlay/sn7": ["overlay/sn5"],
};

const FLAT_NS1: Readonly<Record<string, readonly string[]>> = {
  "image/image1": ["content/3"],
  "image/image2": ["content/4"],
};

const FLAT_NS3: Readonly<Record<string, readonly string[]>> = {
  "content/2": [],
  "overlay/sn1": [],
  "overlay/sn2": ["overlay/sn1"],
  "overlay/sn3": [],
};

/** The thing of a name such as `content/1`, `overlay/sn1` or `image/image1`. */
function toItem(name: string): { type: string; id: string } {
  const [kind, id] = name.split("/") as [string, string];
  if (kind === "content") return { type: "blob", id: digest(Number(id)) };
  return {
    type: ["image", "container"].includes(kind) ? kind : `snapshot/${kind}`,
    id,
  };
}

for (
  const [name, world, references, flat] of [
    ["ns1", REFS_NS1, REFERENCES_NS1, false],
    ["ns1, flat", REFS_NS1, FLAT_NS1, true],
    ["ns3", REFS_NS3, REFERENCES_NS3, false],
    ["ns3, flat", REFS_NS3, FLAT_NS3, true],
  ] as const
) {
  Deno.test(`collect() follows each reference of containerd's table, ${name}`, async () => {
    await using temp = tempDir();
    using store = await openStore({ root: temp.path });
    // Names that have expired are nothing by themselves.
    const images = (world.images ?? []).map(([name, target, labels]) =>
      [name, target, { ...labels, "containerd.io/gc.expire": PAST }] as const
    );
    await build(store, { ...world, images });
    for (const source of Object.keys(references)) {
      await using lease = await store.leases.create({ flat });
      await lease.add(toItem(source));
      const expected = [...closure([source], references)].toSorted();
      assertEquals(await kept(store, { ...world, images }, false), expected);
    }
  });
}

Deno.test("collect() takes containerd's roots for roots", async () => {
  const worlds: readonly (readonly [
    world: World,
    leases: readonly (readonly [labels: Labels, items: readonly string[]])[],
    kept: readonly string[],
  ])[] = [
    [
      {
        images: [
          ["image1", 1],
          ["image2", 2, { [`${REF}snapshot.overlay`]: "sn2" }],
        ],
        contents: [[1], [2], [3]],
        snapshots: [
          ["overlay/sn1", ""],
          ["overlay/sn2", ""],
          ["overlay/sn3", "", { "containerd.io/gc.root": "always" }],
          ["overlay/sn4", ""],
          ["overlay/sn5", ""],
          ["overlay/sn6", ""],
          ["overlay/sn7", ""],
          ["overlay/sn8", "", { "containerd.io/gc.expire": FUTURE }],
          ["overlay/sn9", "", { "containerd.io/gc.expire": PAST }],
        ],
        containers: [
          ["container1", "sn4"],
          ["container2", "sn5", { [`${REF}snapshot.overlay`]: "sn6" }],
        ],
      },
      [],
      [
        "container/container1",
        "container/container2",
        "content/1",
        "content/2",
        "image/image1",
        "image/image2",
        "overlay/sn2",
        "overlay/sn3",
        "overlay/sn4",
        "overlay/sn5",
        "overlay/sn6",
        "overlay/sn8",
      ],
    ],
    [
      {
        images: [
          ["image3", 10, {
            [`${REF}content`]: digest(11),
            [`${REF}image`]: "image4",
          }],
          ["image4", 12, { "containerd.io/gc.expire": PAST }],
          ["image5", 13, { "containerd.io/gc.expire": PAST }],
          ["image6", 14, { "containerd.io/gc.expire": PAST }],
        ],
        contents: [
          [1],
          [2, { "containerd.io/gc.root": "always" }],
          [4],
          [6],
          [7],
          [10],
          [11],
          [12],
          [13],
          [14],
          [15, { "containerd.io/gc.expire": FUTURE }],
        ],
        snapshots: [["overlay/sn7", ""], ["overlay/sn8", ""]],
      },
      [
        [{}, ["content/4"]],
        [{ "containerd.io/gc.expire": FUTURE }, [
          "content/6",
          "overlay/sn7",
          "image/image5",
        ]],
        [{ "containerd.io/gc.expire": PAST }, [
          "content/7",
          "overlay/sn8",
          "image/image6",
        ]],
      ],
      [
        "content/10",
        "content/11",
        "content/12",
        "content/13",
        "content/15",
        "content/2",
        "content/4",
        "content/6",
        "image/image3",
        "image/image4",
        "image/image5",
        "overlay/sn7",
      ],
    ],
    [
      {
        contents: [[1, { [`${REF}content`]: digest(2) }], [2]],
        images: [["image1", 1, {
          "containerd.io/gc.expire": PAST,
          [`${REF}snapshot.overlay`]: "sn2",
        }]],
        snapshots: [["overlay/sn1", ""], ["overlay/sn2", ""]],
      },
      [
        [{ "containerd.io/gc.flat": "true" }, [
          "content/1",
          "overlay/sn1",
          "image/image1",
        ]],
      ],
      ["content/1", "image/image1", "overlay/sn1"],
    ],
  ];
  for (const [world, leases, expected] of worlds) {
    await using temp = tempDir();
    using store = await openStore({ root: temp.path });
    await build(store, world);
    for (const [labels, items] of leases) {
      const lease = await store.leases.create({ labels });
      await lease.add(...items.map(toItem));
      lease.keep();
    }
    assertEquals(await kept(store, world, true), expected);
  }
});

Deno.test("collect() keeps the parts of partly written blobs as containerd does", async () => {
  await using temp = tempDir();
  using store = await openStore({ root: temp.path });
  await using lease = await store.leases.create();
  const start = async (from: Store, ref: string) => {
    const writer = await from.writer(ref);
    await writer.write(new Uint8Array(8));
    await writer.abort();
  };
  await start(store, "unleased");
  await start(lease.store, "leased");
  const left = async () => (await store.ingests.list()).map(({ ref }) => ref);
  await collect(store, { grace: 0 });
  assertEquals(await left(), ["unleased", "leased"]);
  await collect(store, NOW);
  assertEquals(await left(), ["leased"]);
  await using writer = await store.writer("open");
  await collect(store, NOW);
  assertEquals(await left(), ["leased", "open"]);
  await writer.abort();
});

Deno.test("containerdReferences() takes nothing from labels that make no sense", () => {
  const { root, references, backReferences, conditions, expires } =
    containerdReferences({
      "containerd.io/gc.ref.": "x",
      "containerd.io/gc.ref.snapshot": "x",
      "containerd.io/gc.ref.snapshot.": "x",
      "containerd.io/gc.expire": "soon",
      "containerd.io/gc.cond.snapshot.overlay": "usedat<long|x",
      "containerd.io/gc.rootless": "x",
      "other": "containerd.io/gc.root",
    });
  assertEquals(
    { root, references, backReferences, conditions, expires },
    {
      root: false,
      references: [],
      backReferences: [],
      conditions: [],
      expires: undefined,
    },
  );
});
