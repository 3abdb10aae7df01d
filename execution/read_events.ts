/**
 * Reading what happened to containers.
 *
 * @module
 */

import { Inotify, InotifyMask } from "@containerkit/libc";
import { STATE } from "./_bundle.ts";
import type { ContainerEvent, ContainerEventType } from "./container_event.ts";
import { lastCursor, openEvents, takeEvents } from "./_events.ts";
import { Turn } from "./_turn.ts";

/** Options of {@linkcode readEvents}. */
export interface ReadEventsOptions {
  /**
   * Folder for what belongs to this boot.
   *
   * @default {"/run/containerkit"}
   */
  readonly state?: string;
  /**
   * Only what came after this cursor; 0 is everything that is kept.
   *
   * @default {0}
   */
  readonly after?: number;
  /** Only of these containers. */
  readonly ids?: readonly string[];
  /** Only of these kinds. */
  readonly types?: readonly ContainerEventType[];
  /**
   * Waits for more instead of ending.
   *
   * @default {false}
   */
  readonly follow?: boolean;
  /** Ends the reading. */
  readonly signal?: AbortSignal;
}

const BATCH = 256;

/**
 * Reads what happened to the containers of a folder, by any program, in order.
 * The last 100,000 events of this boot are kept. Cursors grow by one: who
 * remembers that of the last one that it has seen sees whether it missed some.
 *
 * @param options From where on, and which.
 * @returns The events, the oldest first.
 * @throws {RangeError} If there was no event of that cursor yet, as it is of an earlier boot.
 * @throws {DOMException} Of the signal, once it is aborted.
 *
 * @example Usage
 * ```ts ignore
 * import { readEvents } from "@containerkit/execution";
 *
 * for await (const { type, id, cursor } of readEvents({ follow: true })) {
 *   console.log(cursor, type, id);
 * }
 * ```
 */
export async function* readEvents(
  options: ReadEventsOptions = {},
): AsyncGenerator<ContainerEvent> {
  const { state = STATE, ids, types, follow = false, signal } = options;
  let { after = 0 } = options;
  signal?.throwIfAborted();
  await Deno.mkdir(state, { recursive: true, mode: 0o700 });
  using events = openEvents(state);
  const last = lastCursor(events);
  // All that come would be passed over until there are so many again.
  if (!(after <= last)) {
    throw new RangeError(
      `Cannot read the events after ${after}: the last has ${last}, and a cursor is of the boot that it was given in`,
    );
  }
  using watch = follow ? new Inotify() : undefined;
  // The log of the database is what changes; it is replaced from time to time.
  watch?.watch(state, InotifyMask.MODIFY | InotifyMask.CREATE);
  const turn = new Turn();
  for (;;) {
    const batch = takeEvents(events, after, BATCH);
    for (const event of batch) {
      signal?.throwIfAborted();
      after = event.cursor;
      const wanted = (ids === undefined || ids.includes(event.id)) &&
        (types === undefined || types.includes(event.type));
      if (wanted) yield event;
      if (turn.isOver) await turn.pass(signal);
    }
    if (batch.length === BATCH) continue;
    if (watch === undefined) return;
    await watch.next(signal === undefined ? {} : { signal });
  }
}
