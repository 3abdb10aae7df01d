import { openState, type State } from "@containerkit/state";
import type { Bundle } from "./_bundle.ts";
import type { ContainerEvent } from "./container_event.ts";

const MIGRATIONS = [
  `CREATE TABLE events (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    details TEXT NOT NULL
  )`,
];
/** Older ones are forgotten. */
const KEPT = 100_000;
/** How often it is looked whether there are older ones. */
const SWEEP = 1000;

/** The file of a folder's events. */
const eventsPath = (state: string) => `${state}/events.db`;

/**
 * Opens the events of a folder. They are of this boot only, so nothing waits
 * for a disk: a killed program loses none.
 */
export function openEvents(state: string): State {
  const events = openState(eventsPath(state), { migrations: MIGRATIONS });
  events.database.exec("PRAGMA synchronous = OFF");
  return events;
}

function insertEvent(
  events: State,
  { type, id, ...details }: Omit<ContainerEvent, "cursor" | "time">,
): void {
  const { lastInsertRowid } = events.prepare(
    "INSERT INTO events (time, type, id, details) VALUES (?, ?, ?, ?)",
  ).run(new Date().toISOString(), type, id, JSON.stringify(details));
  if (Number(lastInsertRowid) % SWEEP === 0) {
    events.prepare("DELETE FROM events WHERE cursor <= ?").run(
      Number(lastInsertRowid) - KEPT,
    );
  }
}

/** Whether one was told of the container that has the id now. */
function isOomTold(events: State, id: string): boolean {
  const last = events.prepare(
    "SELECT type FROM events WHERE id = ? AND type IN ('create', 'oom') ORDER BY cursor DESC LIMIT 1",
  ).get(id);
  return last?.type === "oom";
}

/** Adds an event. A lack of memory is seen by several programs: the first one tells. */
export function addEvent(
  events: State,
  event: Omit<ContainerEvent, "cursor" | "time">,
): void {
  if (event.type !== "oom") return insertEvent(events, event);
  events.transaction(() => {
    if (!isOomTold(events, event.id)) insertEvent(events, event);
  });
}

/** Adds an event from a program that otherwise has nothing to do with the folder. */
export function emitEvent(
  state: string,
  event: Omit<ContainerEvent, "cursor" | "time">,
): void {
  using events = openEvents(state);
  addEvent(events, event);
}

/** Tells how many bytes of a container's output are not in its log. */
export function tellLost({ state, id }: Bundle): (bytes: number) => void {
  return (lostBytes) => emitEvent(state, { type: "log-lost", id, lostBytes });
}

/** Reads events after a cursor, in their order, at most so many. */
export function takeEvents(
  events: State,
  after: number,
  limit: number,
): ContainerEvent[] {
  return events.prepare(
    "SELECT cursor, time, type, id, details FROM events WHERE cursor > ? ORDER BY cursor LIMIT ?",
  ).all(after, limit).map((row) => ({
    cursor: Number(row.cursor),
    time: String(row.time),
    type: String(row.type) as ContainerEvent["type"],
    id: String(row.id),
    ...JSON.parse(String(row.details)),
  }));
}

/** The cursor of the last event there was; 0 if there was none. */
export function lastCursor(events: State): number {
  const row = events.prepare(
    "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
  ).get();
  return Number(row?.seq ?? 0);
}
