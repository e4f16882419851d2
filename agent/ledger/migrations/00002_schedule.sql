-- +goose Up

-- What was told, so that nobody hears twice of one condition.
CREATE TABLE told (
  key TEXT PRIMARY KEY,
  at  INTEGER NOT NULL
) WITHOUT ROWID;

-- What the schedule remembers of each sync. A time that never was is 0.
CREATE TABLE agenda (
  sync       TEXT PRIMARY KEY,
  last_start INTEGER NOT NULL,
  last_end   INTEGER NOT NULL,
  last_fire  INTEGER NOT NULL,     -- the scheduled moment up to which all is answered
  spec       TEXT NOT NULL,        -- the schedule that last_fire is of
  asked      INTEGER NOT NULL,     -- since when a hook waits for a run
  failures   INTEGER NOT NULL,     -- in a row
  until      INTEGER NOT NULL,     -- end of the quarantine
  version    TEXT NOT NULL,        -- of the configuration that ran
  result     TEXT NOT NULL,
  why        TEXT NOT NULL
) WITHOUT ROWID;
