/**
 * The contract of a content store as tests.
 *
 * @module
 */

import {
  check,
  checkInfo,
  checkStatus,
  checkUnavailable,
  createContent,
  EMPTY_DIGEST,
  equal,
  rejects,
  streamOf,
} from "./_suite_checks.ts";
import type { BlobWriter } from "./blob_writer.ts";
import type { OpenStoreOptions } from "./open_store.ts";
import type { Store } from "./store.ts";

/** Opens a store as `openStore()` does. */
export type StoreFactory = (options: OpenStoreOptions) => Promise<Store>;

type Case = (
  open: (options?: Omit<OpenStoreOptions, "root">) => Promise<Store>,
) => Promise<void>;

const LABELS = { "containerd.io/gc.root": "2026-01-01T00:00:00Z" };

async function writeInSteps(
  writer: BlobWriter,
  bytes: Uint8Array,
  step: number,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += step) {
    await writer.write(bytes.subarray(at, at + step));
  }
}

async function checkBlob(store: Store, bytes: Uint8Array, digest: string) {
  const { size } = await store.info(digest);
  equal(size, bytes.length, "the size");
  const read = await new Response(await store.open(digest)).bytes();
  check(read.every((byte, at) => byte === bytes[at]), "the content differs");
}

const writer: Case = async (open) => {
  const store = await open();
  const contents = [256, 256, 256, 256, 32 * 1024 * 1024].map(createContent);
  const descriptors = contents.map(({ bytes, digest }, at) => ({
    ...(at === 1 || at >= 3 ? { size: bytes.length } : {}),
    ...(at >= 2 ? { digest } : {}),
  }));
  const writers: BlobWriter[] = [];
  for (const [at, descriptor] of descriptors.entries()) {
    writers.push(await store.writer(`c${at}`, { descriptor }));
  }
  for (const [at, { bytes, digest }] of contents.entries()) {
    const writer = writers[at]!;
    await writeInSteps(writer, bytes, bytes.length > 256 ? 1 << 20 : 32);
    equal(await writer.digest(), digest, "the writer's digest");
    const before = Date.now();
    await writer.commit(undefined, undefined, { labels: LABELS });
    await checkInfo(store, digest, {
      size: bytes.length,
      labels: LABELS,
      created: [before, Date.now()],
      updated: [before, Date.now()],
    });
  }
};

const updateStatus: Case = async (open) => {
  const store = await open();
  const { bytes, digest } = createContent(256);
  const before = Date.now();
  const writer = await store.writer("c1", {
    descriptor: { size: 256, digest },
  });
  const started: [number, number] = [before, Date.now()];
  let updated = started;
  for (const [from, to] of [[0, 0], [0, 64], [64, 192], [192, 256]] as const) {
    if (to > from) {
      const before = Date.now();
      await writer.write(bytes.subarray(from, to));
      updated = [before, Date.now()];
    }
    await checkStatus(writer, {
      ref: "c1",
      offset: to,
      total: 256,
      bytes: bytes.subarray(0, to),
      started,
      updated,
    });
  }
  const committed = Date.now();
  await writer.commit(undefined, undefined, { labels: LABELS });
  await checkInfo(store, digest, {
    size: 256,
    labels: LABELS,
    created: [committed, Date.now()],
    updated: [committed, Date.now()],
  });
};

const commitExists: Case = async (open) => {
  const store = await open();
  const { bytes, digest } = createContent(256);
  await store.put(bytes, { descriptor: { digest } });
  for (const [at, expected] of [digest, undefined].entries()) {
    const writer = await store.writer(`c1-${at}`);
    await writer.write(bytes);
    await rejects(
      () => writer.commit(bytes.length, expected),
      "AlreadyExists",
    );
  }
};

const resume: Case = async (open) => {
  const store = await open();
  const { bytes, digest } = createContent(256);
  const descriptor = { size: 256, digest };
  const before = Date.now();
  const first = await store.writer("cb", { descriptor });
  const started: [number, number] = [before, Date.now()];
  await first.write(bytes.subarray(0, 128));
  const half = {
    ref: "cb",
    offset: 128,
    total: 256,
    bytes: bytes.subarray(0, 128),
    started,
    updated: [before, Date.now()] as [number, number],
  };
  await checkStatus(first, half);
  await first.abort();
  const second = await store.writer("cb", { descriptor });
  await checkStatus(second, half);
  const updated = Date.now();
  await second.write(bytes.subarray(128));
  await checkStatus(second, {
    ...half,
    offset: 256,
    bytes,
    updated: [updated, Date.now()],
  });
  const committed = Date.now();
  await second.commit();
  await checkInfo(store, digest, {
    size: 256,
    labels: {},
    created: [committed, Date.now()],
    updated: [committed, Date.now()],
  });
};

/** Finishes what another attempt began. */
type Finish = (
  store: Store,
  attempt: {
    writer: BlobWriter;
    bytes: Uint8Array;
    digest: string;
    cut: number;
  },
) => Promise<void>;

function resumeBy(finish: Finish): Case {
  return async (open) => {
    const store = await open();
    for (const size of [500, 5000, 50_000]) {
      for (const part of [0, 0.1, 0.5, 0.9, 1]) {
        const { bytes, digest } = createContent(size);
        const cut = size * part;
        const ref = `ref-${size}-${part}`;
        const descriptor = { size, digest };
        const first = await store.writer(ref, { descriptor });
        await first.write(bytes.subarray(0, cut));
        await first.abort();
        const writer = await store.writer(ref, { descriptor });
        equal(writer.offset, cut, "the offset");
        const before = Date.now();
        await finish(store, { writer, bytes, digest, cut });
        await checkInfo(store, digest, {
          size,
          labels: {},
          created: [before, Date.now()],
          updated: [before, Date.now()],
        });
        await checkBlob(store, bytes, digest);
      }
    }
  };
}

const resumeTruncate = resumeBy(async (_, { writer, bytes, digest }) => {
  await writer.truncate(0);
  await writeInSteps(writer, bytes, 1024);
  await writer.commit(bytes.length, digest);
});

const resumeDiscard = resumeBy(async (_, { writer, bytes, digest, cut }) => {
  await writeInSteps(writer, bytes.subarray(cut), 1024);
  await writer.commit(bytes.length, digest);
});

/** Finishes by `put()` from a source of some kind. */
function resumeFrom(
  source: (bytes: Uint8Array) => Parameters<Store["put"]>[0],
): Case {
  return resumeBy(async (store, { writer, bytes, digest }) => {
    await writer.abort();
    await store.put(source(bytes), {
      ref: writer.ref,
      descriptor: { size: bytes.length, digest },
    });
    await rejects(
      () => store.writer(writer.ref, { descriptor: { digest } }),
      "AlreadyExists",
    );
  });
}

const resumeCopy = resumeFrom((bytes) => streamOf(bytes));
const resumeCopySeeker = resumeFrom((bytes) => bytes);
const resumeCopyReaderAt = resumeFrom((bytes) => (offset) =>
  streamOf(bytes.subarray(offset))
);

const smallBlob: Case = async (open) => {
  const store = await open();
  const bytes = new TextEncoder().encode("foobar");
  const { digest } = await store.put(bytes);
  using reader = await store.reader(digest);
  const buffer = new Uint8Array(bytes.length + 1);
  equal(await reader.readAt(buffer, 0), 6, "the bytes read");
  equal(await reader.readAt(buffer, 6), 0, "the bytes read at the end");
  await checkBlob(store, bytes, digest);
};

const labels: Case = async (open) => {
  const store = await open();
  const { bytes, digest } = createContent(256);
  const before = Date.now();
  await store.put(bytes, {
    descriptor: { size: 256, digest },
    labels: { ...LABELS, k1: "v1", k2: "v2" },
  });
  const created: [number, number] = [before, Date.now()];
  const expect = async (labels: Record<string, string>, since: number) =>
    await checkInfo(store, digest, {
      size: 256,
      labels,
      created,
      updated: [since, Date.now()],
    });
  await expect({ ...LABELS, k1: "v1", k2: "v2" }, before);
  const replaced = Date.now();
  await store.label(digest, { ...LABELS, k1: "new", k3: "v3" }, {
    replace: true,
  });
  await expect({ ...LABELS, k1: "new", k3: "v3" }, replaced);
  const changed = Date.now();
  await store.label(digest, { k1: "v1", k3: null });
  await expect({ ...LABELS, k1: "v1" }, changed);
};

const commitErrorState: Case = async (open) => {
  const store = await open();
  const { bytes, digest } = createContent(256);
  const longer = new Uint8Array([...bytes, 1, 2, 3, 4]);
  const other = createContent(256).digest;
  await store.put(bytes, { descriptor: { digest } });
  const ref = "c1-commit-error-state";
  const reopen = async () => {
    const writer = await store.writer(ref);
    await checkUnavailable(store, ref);
    return writer;
  };
  for (const expected of [digest, undefined]) {
    const writer = await reopen();
    await writer.write(bytes);
    await rejects(() => writer.commit(256, expected), "AlreadyExists");
  }
  const wrongDigest = await reopen();
  await wrongDigest.write(longer);
  await rejects(() => wrongDigest.commit(260, other), "DigestMismatchError");
  const wrongSize = await reopen();
  equal(wrongSize.offset, 260, "what is kept of a refused commit");
  await rejects(() => wrongSize.commit(256), "DigestMismatchError");
  await (await reopen()).commit(260);
  const again = await reopen();
  equal(again.offset, 0, "what is left after a commit");
  await again.write(bytes);
  await rejects(() => again.commit(256, digest), "AlreadyExists");
  const last = await reopen();
  await last.truncate(0);
  await last.abort();
  await (await reopen()).abort();
};

const crossNamespaceShare: Case = async (open) => {
  const [first, second] = [
    await open({ namespace: "a" }),
    await open({ namespace: "b" }),
  ];
  await checkSharing(first, second);
};

/** The second namespace gets the content of the first without sending it. */
async function checkSharing(first: Store, second: Store): Promise<void> {
  const { bytes, digest } = createContent(1000);
  const descriptor = { size: 1000, digest };
  await first.put(bytes, { descriptor });
  equal(await second.stat(digest), undefined, "what is there before");
  const writer = await second.writer("ref", { descriptor });
  equal(writer.offset, 1000, "the offset");
  equal(await writer.digest(), digest, "the digest");
  await writer.commit(1000, digest);
  await checkBlob(first, bytes, digest);
  await checkBlob(second, bytes, digest);
}

const crossNamespaceAppend: Case = async (open) => {
  const [first, second] = [
    await open({ namespace: "a" }),
    await open({ namespace: "b" }),
  ];
  const { bytes, digest } = createContent(1000);
  await first.put(bytes, { descriptor: { size: 1000, digest } });
  const writer = await second.writer("ref", {
    descriptor: { size: 1000, digest },
  });
  equal(writer.offset, 1000, "the offset");
  const extra = new TextEncoder().encode("appended bytes");
  await writer.write(extra);
  const longer = new Uint8Array([...bytes, ...extra]);
  const appended = await writer.digest();
  await writer.commit(longer.length, appended);
  await checkBlob(first, bytes, digest);
  await checkBlob(second, longer, appended);
  equal(await first.stat(appended), undefined, "what the first sees");
  equal(await second.stat(digest), undefined, "what the second sees");
};

const crossNamespaceIsolate: Case = async (open) => {
  const first = await open({ namespace: "a" });
  const second = await open({ namespace: "b", isolated: true });
  const { bytes, digest } = createContent(1000);
  const descriptor = { size: 1000, digest };
  await first.put(bytes, { descriptor });
  const before = Date.now();
  await using writer = await second.writer("ref", { descriptor });
  equal(writer.offset, 0, "the offset");
  equal(await writer.digest(), EMPTY_DIGEST, "the digest");
  const { started } = await writer.status();
  check(started.getTime() >= before, "it was started before");
};

const sharedNamespaceIsolate: Case = async (open) => {
  const first = await open({ namespace: "a", isolated: true, shared: true });
  const second = await open({ namespace: "b", isolated: true });
  await checkSharing(first, second);
};

/** The names are those of containerd's suite, whose cases these are. */
const CASES: Readonly<Record<string, Case>> = {
  Writer: writer,
  UpdateStatus: updateStatus,
  CommitExists: commitExists,
  Resume: resume,
  ResumeTruncate: resumeTruncate,
  ResumeDiscard: resumeDiscard,
  ResumeCopy: resumeCopy,
  ResumeCopySeeker: resumeCopySeeker,
  ResumeCopyReaderAt: resumeCopyReaderAt,
  SmallBlob: smallBlob,
  Labels: labels,
  CommitErrorState: commitErrorState,
  CrossNamespaceShare: crossNamespaceShare,
  CrossNamespaceAppend: crossNamespaceAppend,
  CrossNamespaceIsolate: crossNamespaceIsolate,
  SharedNamespaceIsolate: sharedNamespaceIsolate,
};

/**
 * Declares the 16 tests that a content store has to pass, by the names of
 * [containerd's suite](https://github.com/containerd/containerd/tree/main/core/content/testsuite).
 *
 * Requires `--allow-read` and `--allow-write` of the folder for temporary files.
 *
 * @param name What the tests are named after.
 * @param factory Opens the store; each test has a root of its own.
 *
 * @example Usage
 * ```ts ignore
 * import { openStore } from "@containerkit/content";
 * import { contentSuite } from "@containerkit/content/testing";
 *
 * contentSuite("files", openStore);
 * ```
 */
export function contentSuite(name: string, factory: StoreFactory): void {
  for (const [title, run] of Object.entries(CASES)) {
    Deno.test(`${name}: ${title}`, async () => {
      const root = await Deno.makeTempDir({ prefix: "content-suite-" });
      const stores: Store[] = [];
      try {
        await run(async (options = {}) => {
          const store = await factory({ root, ...options });
          stores.push(store);
          return store;
        });
      } finally {
        for (const store of stores) store.close();
        await Deno.remove(root, { recursive: true });
      }
    });
  }
}
