/** The schema of `state.db`, append only. Times are milliseconds since 1970. */
export const MIGRATIONS: readonly string[] = [
  `
-- generation: counts what may keep something; index_*: what index.json was when we wrote it.
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('generation', 0);

CREATE TABLE namespaces (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, shared INTEGER NOT NULL DEFAULT 0
);

-- Every digest that is stored or mentioned, so that edges are pairs of integers.
CREATE TABLE digests (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE);

-- One row per namespace that a blob is visible in; the file is shared.
CREATE TABLE blobs (
  id INTEGER PRIMARY KEY,
  namespace INTEGER NOT NULL REFERENCES namespaces,
  digest INTEGER NOT NULL REFERENCES digests,
  size INTEGER NOT NULL,
  media_type TEXT,
  labels TEXT NOT NULL DEFAULT '{}',
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  verified INTEGER,
  damaged TEXT,
  -- When it was last made or found outside of a lease, or 0.
  held INTEGER NOT NULL DEFAULT 0,
  generation INTEGER NOT NULL,
  UNIQUE (digest, namespace)
);
CREATE INDEX blobs_generation ON blobs (generation);
CREATE INDEX blobs_held ON blobs (held) WHERE held > 0;
CREATE INDEX blobs_verified ON blobs (verified);

-- What manifests and indexes refer to. A referrer hangs on its subject, not the other way round.
CREATE TABLE edges (
  parent INTEGER NOT NULL, child INTEGER NOT NULL, kind TEXT NOT NULL,
  PRIMARY KEY (parent, child, kind)
) WITHOUT ROWID;
CREATE INDEX edges_child ON edges (child);

-- References that were stated: from a blob or an image to anything.
CREATE TABLE refs (
  namespace INTEGER NOT NULL, source_type TEXT NOT NULL, source TEXT NOT NULL,
  target_type TEXT NOT NULL, target TEXT NOT NULL, generation INTEGER NOT NULL,
  PRIMARY KEY (namespace, source_type, source, target_type, target)
) WITHOUT ROWID;
CREATE INDEX refs_target ON refs (target_type, target);
CREATE INDEX refs_generation ON refs (generation);

CREATE TABLE images (
  id INTEGER PRIMARY KEY,
  namespace INTEGER NOT NULL REFERENCES namespaces,
  name TEXT NOT NULL,
  digest INTEGER NOT NULL REFERENCES digests,
  descriptor TEXT NOT NULL,
  -- What index.json shows it as, and the digest that it showed before.
  ref_name TEXT,
  previous TEXT,
  labels TEXT NOT NULL DEFAULT '{}',
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  UNIQUE (namespace, name)
);
CREATE INDEX images_digest ON images (digest);
CREATE INDEX images_generation ON images (generation);

CREATE TABLE leases (
  id INTEGER PRIMARY KEY,
  namespace INTEGER NOT NULL REFERENCES namespaces,
  name TEXT NOT NULL,
  labels TEXT NOT NULL DEFAULT '{}',
  created INTEGER NOT NULL,
  expires INTEGER,
  flat INTEGER NOT NULL DEFAULT 0,
  UNIQUE (namespace, name)
);
CREATE TABLE lease_items (
  lease INTEGER NOT NULL REFERENCES leases ON DELETE CASCADE,
  type TEXT NOT NULL, item TEXT NOT NULL, generation INTEGER NOT NULL,
  PRIMARY KEY (lease, type, item)
) WITHOUT ROWID;
CREATE INDEX lease_items_item ON lease_items (type, item);
CREATE INDEX lease_items_generation ON lease_items (generation);

CREATE TABLE ingests (
  id INTEGER PRIMARY KEY,
  namespace INTEGER NOT NULL REFERENCES namespaces,
  ref TEXT NOT NULL,
  file TEXT NOT NULL,
  expected TEXT,
  total INTEGER,
  started INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  -- Up to here the file is durable.
  checkpoint INTEGER NOT NULL DEFAULT 0,
  -- The boot in which it was last written: in another one only what is durable counts.
  boot TEXT,
  pid INTEGER NOT NULL,
  locked INTEGER NOT NULL,
  -- The digest that the whole content was found not to have.
  rejected TEXT,
  UNIQUE (namespace, ref)
);

-- The labels again, to find what has them: kind is blob, image or lease.
CREATE TABLE labels (
  kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, owner INTEGER NOT NULL,
  PRIMARY KEY (kind, key, value, owner)
) WITHOUT ROWID;

-- Files that no row shows: of removed blobs that may still be there, and of blobs that are just being committed.
CREATE TABLE removals (digest TEXT PRIMARY KEY) WITHOUT ROWID;
`,
];
