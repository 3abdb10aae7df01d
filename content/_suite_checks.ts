import { digestBytes } from "@containerkit/oci";
import type { BlobWriter } from "./blob_writer.ts";
import type { Store } from "./store.ts";

/** From and to, in milliseconds since 1970. */
export type Window = readonly [number, number];

export const EMPTY_DIGEST = digestBytes("");

export function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(`Not as it should be: ${message}`);
}

export function equal(
  actual: unknown,
  expected: unknown,
  what: string,
): void {
  const [found, wanted] = [actual, expected].map((value) =>
    JSON.stringify(value)
  );
  check(found === wanted, `${what} is ${found} instead of ${wanted}`);
}

/** @param name Of the error's class. */
export async function rejects(
  fn: () => Promise<unknown>,
  name: string,
): Promise<void> {
  let error: unknown;
  try {
    await fn();
  } catch (caught) {
    error = caught;
  }
  check(error instanceof Error, `no error, expected ${name}`);
  const { name: own, constructor } = error as Error;
  check(
    own === name || constructor.name === name,
    `${own} (${(error as Error).message}), expected ${name}`,
  );
}

let seed = 0;

/** Content that differs each time. */
export function createContent(
  size: number,
): { bytes: Uint8Array; digest: string } {
  const bytes = new Uint8Array(size);
  let state = ++seed * 2_654_435_761 >>> 0;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return { bytes, digest: digestBytes(bytes) };
}

export function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return ReadableStream.from(
    Array.from(
      { length: Math.ceil(bytes.length / 1000) },
      (_, at) => bytes.subarray(at * 1000, (at + 1) * 1000),
    ),
  );
}

function within(date: Date, [from, to]: Window, what: string): void {
  const time = date.getTime();
  check(
    time >= from && time <= to,
    `${what} is ${time} instead of ${from} to ${to}`,
  );
}

export async function checkStatus(
  writer: BlobWriter,
  expected: {
    ref: string;
    offset: number;
    total: number;
    bytes: Uint8Array;
    started: Window;
    updated: Window;
  },
): Promise<void> {
  const status = await writer.status();
  equal(status.ref, expected.ref, "the ref");
  equal(status.offset, expected.offset, "the offset");
  equal(writer.offset, expected.offset, "the writer's offset");
  equal(status.total, expected.total, "the total");
  equal(status.digest, digestBytes(expected.bytes), "the digest");
  within(status.started, expected.started, "when it started");
  within(status.updated, expected.updated, "when it was updated");
}

export async function checkInfo(
  store: Store,
  digest: string,
  expected: {
    size: number;
    labels: Readonly<Record<string, string>>;
    created: Window;
    updated: Window;
  },
): Promise<void> {
  const info = await store.info(digest);
  equal(info.digest, digest, "the digest");
  equal(info.size, expected.size, "the size");
  equal(
    Object.entries(info.labels).toSorted(),
    Object.entries(expected.labels).toSorted(),
    "the labels",
  );
  within(info.created, expected.created, "when it was created");
  within(info.updated, expected.updated, "when it was updated");
}

export async function checkUnavailable(
  store: Store,
  ref: string,
): Promise<void> {
  await rejects(() => store.writer(ref), "LockedError");
}
