-- +goose Up

-- The mirror: the last complete view of each source.
CREATE TABLE mirror_source (
  source       TEXT PRIMARY KEY,
  cursor       TEXT NOT NULL,      -- of the last Checkpoint
  selection    TEXT NOT NULL,      -- hash of the settings that decide what is read
  fields       TEXT NOT NULL,      -- hash of the fields asked for
  shield_user  TEXT NOT NULL,      -- why no user may be taken for absent; empty: they may
  shield_group TEXT NOT NULL,
  completed_at INTEGER NOT NULL    -- unix milliseconds, as all times here
);
CREATE TABLE mirror_object (
  source        TEXT NOT NULL,
  kind          TEXT NOT NULL,
  id            TEXT NOT NULL,
  version       TEXT NOT NULL,
  hash          TEXT NOT NULL,     -- of fields
  fields        BLOB NOT NULL,     -- JSON
  state         TEXT NOT NULL,     -- present, unreadable, gone
  why           TEXT NOT NULL,     -- unreadable: in words; gone: a cause, or empty while unclassified
  since         INTEGER NOT NULL,  -- when state last changed
  links_state   TEXT NOT NULL,     -- groups: complete or unknown; empty for users
  links_version TEXT NOT NULL,     -- version of the group when its links were last complete
  links_why     TEXT NOT NULL,
  PRIMARY KEY (source, kind, id)
) WITHOUT ROWID;
CREATE TABLE mirror_link (
  source      TEXT NOT NULL,
  group_id    TEXT NOT NULL,
  member_kind TEXT NOT NULL,
  member_id   TEXT NOT NULL,
  PRIMARY KEY (source, group_id, member_kind, member_id)
) WITHOUT ROWID;

-- Ownership: what scimsync created or adopted, and may therefore change.
CREATE TABLE owned (
  sync        TEXT NOT NULL,
  kind        TEXT NOT NULL,
  source_id   TEXT NOT NULL,
  target      TEXT NOT NULL,       -- name of the target in the configuration
  target_id   TEXT NOT NULL,
  origin      TEXT NOT NULL,       -- created, adopted, recognized
  name        TEXT NOT NULL,       -- userName or displayName as last written
  record_hash TEXT NOT NULL,       -- of the mirrored record when last in step
  since       INTEGER NOT NULL,
  PRIMARY KEY (sync, kind, source_id),
  UNIQUE (target, kind, target_id)
) WITHOUT ROWID;
-- Memberships written to targets that cannot be read.
CREATE TABLE assumed_member (
  sync      TEXT NOT NULL,
  group_id  TEXT NOT NULL,         -- target ids
  member_id TEXT NOT NULL,
  PRIMARY KEY (sync, group_id, member_id)
) WITHOUT ROWID;

-- The journal: intent before the call, outcome after.
CREATE TABLE run (
  id          TEXT PRIMARY KEY,
  sync        TEXT NOT NULL,
  cycle       TEXT NOT NULL,
  config_hash TEXT NOT NULL,
  started     INTEGER NOT NULL,
  finished    INTEGER,             -- NULL while running or after a crash
  result      TEXT NOT NULL,
  summary     BLOB NOT NULL        -- JSON
);
CREATE INDEX run_sync ON run (sync, started);
CREATE TABLE change (
  run        TEXT NOT NULL,
  seq        INTEGER NOT NULL,
  sync       TEXT NOT NULL,
  op         TEXT NOT NULL,
  kind       TEXT NOT NULL,
  source_id  TEXT NOT NULL,
  target_id  TEXT NOT NULL,
  name       TEXT NOT NULL,
  cause      TEXT NOT NULL,
  reason     TEXT NOT NULL,
  attributes BLOB NOT NULL,        -- JSON
  members    BLOB NOT NULL,        -- JSON
  intent_at  INTEGER NOT NULL,
  outcome    TEXT NOT NULL,        -- empty while open
  error      TEXT NOT NULL,
  outcome_at INTEGER,
  PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE INDEX change_open ON change (sync) WHERE outcome = '';
CREATE INDEX change_object ON change (sync, kind, source_id);

-- Objects that are not in step: only an outcome or an empty difference clears them.
CREATE TABLE dirty (
  sync      TEXT NOT NULL,
  kind      TEXT NOT NULL,
  source_id TEXT NOT NULL,
  mark      INTEGER NOT NULL DEFAULT 0, -- of this marking alone: clearing what was seen leaves a newer one
  since     INTEGER NOT NULL,
  tries     INTEGER NOT NULL,
  next_try  INTEGER NOT NULL,
  why       TEXT NOT NULL,
  PRIMARY KEY (sync, kind, source_id)
) WITHOUT ROWID;

-- Removals that a guard holds. member_id is empty but for memberships.
CREATE TABLE held (
  sync      TEXT NOT NULL,
  op        TEXT NOT NULL,
  kind      TEXT NOT NULL,
  source_id TEXT NOT NULL,
  member_id TEXT NOT NULL,         -- source id of the member
  target_id TEXT NOT NULL,
  name      TEXT NOT NULL,
  rule      TEXT NOT NULL,
  since     INTEGER NOT NULL,
  decision  TEXT NOT NULL,         -- approved, rejected, or empty: undecided
  until     INTEGER NOT NULL,      -- when the decision ends; 0: undecided
  PRIMARY KEY (sync, op, kind, source_id, member_id)
) WITHOUT ROWID;

-- Since when an owned object has been leaving, for its grace period.
CREATE TABLE leaving (
  sync      TEXT NOT NULL,
  kind      TEXT NOT NULL,
  source_id TEXT NOT NULL,
  since     INTEGER NOT NULL,
  PRIMARY KEY (sync, kind, source_id)
) WITHOUT ROWID;

-- What a sync is bound to, as its last complete cycle left it.
CREATE TABLE binding (
  sync        TEXT PRIMARY KEY,
  target      TEXT NOT NULL,
  url         TEXT NOT NULL,
  config_hash TEXT NOT NULL,       -- of the last complete cycle; empty before one
  selection   TEXT NOT NULL,       -- of the source, likewise
  members     TEXT NOT NULL,       -- blind once learned, else empty
  users       INTEGER NOT NULL,    -- owned, as counted by the last full cycle
  groups      INTEGER NOT NULL,
  memberships INTEGER NOT NULL,
  full_at     INTEGER              -- end of the last complete full cycle
);

-- Syncs that a person or a verb has stopped.
CREATE TABLE pause (
  sync  TEXT PRIMARY KEY,
  since INTEGER NOT NULL,
  why   TEXT NOT NULL
);

CREATE TABLE lease (
  name     TEXT PRIMARY KEY,
  holder   TEXT NOT NULL,          -- host, process and run, for people
  epoch    INTEGER NOT NULL,       -- grows with every holder
  acquired INTEGER NOT NULL,
  expires  INTEGER NOT NULL
);
