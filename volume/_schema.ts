/** The tables, version by version. What was released must not change. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE volumes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('creating', 'ready', 'filling', 'removing')),
    -- Who is at it while the phase is not 'ready', as JSON.
    owner TEXT,
    size INTEGER,
    inodes INTEGER,
    -- What the kind needs besides, as JSON.
    options TEXT NOT NULL,
    labels TEXT NOT NULL,
    lease TEXT,
    populated INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    -- For kinds in memory: the boot that holds their content.
    boot TEXT
  ) STRICT;
  CREATE TABLE attachments (
    id TEXT PRIMARY KEY,
    volume INTEGER NOT NULL REFERENCES volumes (id),
    -- The process that ends it, as JSON; NULL once it was kept.
    owner TEXT,
    boot TEXT NOT NULL
  ) STRICT;
  CREATE INDEX attachments_by_volume ON attachments (volume);`,
  // Where it is attached in the mounts of a running process, as JSON.
  "ALTER TABLE attachments ADD COLUMN place TEXT",
  // New limits, as JSON, while the kernel may have them or those of the row.
  "ALTER TABLE volumes ADD COLUMN resizing TEXT",
  // When it was attached.
  "ALTER TABLE attachments ADD COLUMN created INTEGER",
];
