-- +goose Up

-- What the target said of itself, so that a cycle about few objects need not ask.
ALTER TABLE binding ADD COLUMN facts BLOB;
ALTER TABLE binding ADD COLUMN facts_at INTEGER;
