import { tryLockFile } from "@containerkit/state";
import { adopt } from "./_adopt.ts";
import type { Context } from "./_context.ts";
import { discardIngest, type IngestRow } from "./_ingests.ts";
import { lstatFile, removeFile } from "./_layout.ts";
import { removeNoted } from "./_removal.ts";

/** A commit that was cut off after its file was in place, and before its row was written. */
export async function finishCommits(
  context: Context,
  viewOf: (namespace: number) => Context,
): Promise<void> {
  const { state, path } = context;
  const rows = state.prepare("SELECT * FROM ingests")
    .all() as unknown as (IngestRow & { namespace: number })[];
  for (const row of rows) {
    if (lstatFile(`${path}/ingest/${row.file}`) !== undefined) continue;
    const view = viewOf(row.namespace);
    if (row.expected !== null) await adopt(view, row.expected);
    // Another writer may have started anew meanwhile.
    if (lstatFile(`${path}/ingest/${row.file}`) === undefined) {
      discardIngest(view, row.ref);
    }
  }
}

/** Files whose rows are gone already, or never came: a crash leaves them. */
export async function finishRemovals(context: Context): Promise<void> {
  const { state } = context;
  const rows = state.prepare("SELECT digest FROM removals").all();
  await removeNoted(
    context,
    rows.map(({ digest }) => String(digest)),
  );
}

/** A clock that was ahead must not keep things for longer than the right one would. */
export function correctClock(context: Context, now: number): void {
  context.state.prepare(
    "UPDATE blobs SET held = ?1 WHERE held > ?1",
  ).run(now);
}

/** Files in `ingest/` that no row speaks of: a crash leaves them. */
export function sweepFiles(context: Context): void {
  const { state, path } = context;
  const isKnown = (name: string) =>
    state.prepare("SELECT 1 FROM ingests WHERE file = ?").get(name) !==
      undefined;
  for (const { name } of Deno.readDirSync(`${path}/ingest`)) {
    const file = `${path}/ingest/${name}`;
    if (/^removed-[0-9a-f-]{36}$/.test(name)) removeFile(file);
    if (!/^[0-9a-f]{64}$/.test(name) || isKnown(name)) continue;
    using lock = tryLockFile(file);
    // A writer locks its file before it writes the row.
    if (lock !== undefined && !isKnown(name)) removeFile(file);
  }
}
