-- +goose Up

-- The order in which runs are forgotten.
CREATE INDEX run_ended ON run ((COALESCE(finished, started)));
