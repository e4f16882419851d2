-- +goose Up

-- Who was found for whom an object waits for, by source id; empty for nobody, and
-- for what was written down before this was known: that is looked at once more.
ALTER TABLE awaiting ADD COLUMN found TEXT NOT NULL DEFAULT '';

-- With all that is asked for: else the planner walks through all of a sync.
DROP INDEX awaiting_wanted;
CREATE INDEX awaiting_wanted ON awaiting (sync, wanted, found);
