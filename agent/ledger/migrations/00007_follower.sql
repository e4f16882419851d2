-- +goose Up

-- Syncs that have been told of every change since both sides were last compared in
-- full for them: whoever reads the source marks what changed for each of them.
CREATE TABLE follower (
  source TEXT NOT NULL,
  sync   TEXT NOT NULL,
  PRIMARY KEY (source, sync)
) WITHOUT ROWID;
