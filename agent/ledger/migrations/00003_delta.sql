-- +goose Up

-- People of ours who took no part in memberships when they were last looked at:
-- inactive, left, or not to be read. With a group: the target still has them in
-- it, and the source does not. The row without a person says that this is kept.
CREATE TABLE idle (
  sync     TEXT NOT NULL,
  user_id  TEXT NOT NULL,          -- source ids
  group_id TEXT NOT NULL,          -- empty: the person as such
  PRIMARY KEY (sync, user_id, group_id)
) WITHOUT ROWID;
CREATE INDEX idle_group ON idle (sync, group_id);

-- Objects an attribute of which names somebody who had no account, or names him
-- by a name that may pass to somebody else.
CREATE TABLE awaiting (
  sync      TEXT NOT NULL,
  kind      TEXT NOT NULL,
  source_id TEXT NOT NULL,
  wanted    TEXT NOT NULL,         -- a source id, or a name in lower case
  PRIMARY KEY (sync, kind, source_id, wanted)
) WITHOUT ROWID;
CREATE INDEX awaiting_wanted ON awaiting (sync, wanted);

-- Which groups a group is in: an index of all links would cost every first read
-- a fifth of its time, and nearly all of them are of people.
CREATE INDEX mirror_nested ON mirror_link (source, member_id, group_id) WHERE member_kind = 'group';

CREATE INDEX owned_name ON owned (sync, kind, lower(name));
