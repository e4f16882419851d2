package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/scimsync/scimsync/identity"
)

const (
	stageRows  = 256     // rows per INSERT and per look at the mirror
	stageBytes = 1 << 20 // of fields held in memory before they are staged
)

// Intake takes the events of one read. They wait in temporary tables of a
// connection of their own: nothing is visible, and nobody waits for the reader,
// until Commit makes all of it the mirror in one transaction. An Intake that is
// not committed leaves no trace. It is not safe for concurrent use, and must be
// ended by Commit or Discard. Its methods run under the context of Begin.
type Intake struct {
	mirror *Mirror
	ctx    context.Context
	conn   *sql.Conn

	ord     int64 // of the last event; later events count
	objects []stagedObject
	bytes   int
	links   []stagedLink
	closes  []stagedClose
	shield  map[identity.Kind]string

	first   bool     // the mirror was empty: nothing to compare with
	mark    Bookmark // of the mirror when the read began
	marked  bool     // whether there was one
	seen    map[identity.Kind]*sql.Stmt
	inserts map[string]*sql.Stmt
	failed  error // of an earlier call: what is staged has a hole
	ended   bool
}

// The operations of a staged object.
const (
	opRecord     = "record"
	opSame       = "same" // a record that is mirrored as it is, so it is not kept twice
	opPartial    = "partial"
	opGone       = "gone"
	opUnreadable = "unreadable"
)

type stagedObject struct {
	ref           identity.Ref
	ord           int64
	op            string
	version, hash string
	fields        []byte
	why           string
}

type stagedLink struct {
	group  string
	member identity.Ref
	ord    int64
	op     string // + or -
}

type stagedClose struct {
	group string
	ord   int64
	state LinksState
	given bool // all members came with the close
	why   string
}

const intakeSchema = `
CREATE TEMP TABLE intake_object (
  kind TEXT NOT NULL, id TEXT NOT NULL, ord INTEGER NOT NULL, op TEXT NOT NULL,
  version TEXT NOT NULL, hash TEXT NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (kind, id, ord)) WITHOUT ROWID;
-- Apart, so that the table that is in order stays small: sources come in any order.
CREATE TEMP TABLE intake_fields (ord INTEGER PRIMARY KEY, fields BLOB NOT NULL);
CREATE TEMP TABLE intake_link (
  grp TEXT NOT NULL, member_kind TEXT NOT NULL, member_id TEXT NOT NULL, ord INTEGER NOT NULL, op TEXT NOT NULL,
  PRIMARY KEY (grp, member_kind, member_id)) WITHOUT ROWID;
CREATE TEMP TABLE intake_close (
  grp TEXT NOT NULL, ord INTEGER NOT NULL, state TEXT NOT NULL, given INTEGER NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (grp, ord)) WITHOUT ROWID;
CREATE TEMP TABLE intake_touched (
  kind TEXT NOT NULL, id TEXT NOT NULL, what TEXT NOT NULL,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TEMP TABLE intake_verdict (
  grp TEXT PRIMARY KEY, mode TEXT NOT NULL, start INTEGER NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
`

// Begin opens an intake. The caller holds the lock of the source.
func (m *Mirror) Begin(ctx context.Context) (*Intake, error) {
	in := &Intake{
		mirror: m, ctx: ctx, shield: map[identity.Kind]string{},
		seen: map[identity.Kind]*sql.Stmt{}, inserts: map[string]*sql.Stmt{},
	}
	mark, marked, err := m.Bookmark(ctx)
	if err != nil {
		return nil, err
	}
	in.mark, in.marked = mark, marked
	var one int
	mirrored, err := found(m.l.db.QueryRowContext(ctx, `SELECT 1 FROM mirror_object WHERE source = ? LIMIT 1`, m.source).Scan(&one))
	if err != nil {
		return nil, m.l.wrap(ctx, "begin to read "+m.source, err)
	}
	in.first = !mirrored
	if in.conn, err = m.l.conn(ctx); err != nil {
		return nil, err
	}
	// What is staged is never rolled back, only dropped: it needs no journal.
	for _, query := range []string{"PRAGMA temp.journal_mode = OFF", intakeSchema} {
		if _, err := in.conn.ExecContext(ctx, query); err != nil {
			return nil, errors.Join(m.l.wrap(ctx, "begin to read "+m.source, err), in.Discard())
		}
	}
	return in, nil
}

// Upsert takes a record. Of two with one Ref the later counts; a partial one is
// merged, field by field, with the one before it or with the mirrored one. A
// record whose fields cannot be kept as JSON is unreadable.
func (in *Intake) Upsert(r identity.Record) error {
	if r.Ref.ID == "" {
		return in.Unreadable(r.Ref, "a "+string(r.Ref.Kind)+" came without an id")
	}
	o := stagedObject{ref: r.Ref, op: opRecord, version: r.Version}
	var err error
	if r.Partial {
		o.op = opPartial
		o.fields, err = json.Marshal(r.Fields) // nil stays null: it clears
	} else {
		o.fields, o.hash, err = encodeFields(r.Fields)
	}
	if err != nil {
		return in.Unreadable(r.Ref, "its fields are no JSON values: "+err.Error())
	}
	return in.object(o)
}

// Gone takes the news that an object is not there, and why: CauseGone or
// CauseUnassigned.
func (in *Intake) Gone(ref identity.Ref, why identity.Cause) error {
	if ref.ID == "" {
		return in.Unreadable(ref, "a "+string(ref.Kind)+" without an id was said to be gone")
	}
	return in.object(stagedObject{ref: ref, op: opGone, why: string(why)})
}

// Unreadable takes the news that an object exists and could not be read. It keeps
// the fields it last had. Without an id it shields its whole kind: until a full
// read without such news, no object of the kind is taken for absent.
func (in *Intake) Unreadable(ref identity.Ref, why string) error {
	if ref.ID != "" {
		return in.object(stagedObject{ref: ref, op: opUnreadable, why: why})
	}
	if err := in.usable(ref.Kind); err != nil {
		return err
	}
	if why == "" {
		why = "one of them could not be read"
	}
	in.shield[ref.Kind] = why
	return nil
}

// Link takes a membership.
func (in *Intake) Link(group, member identity.Ref) error { return in.link(group, member, "+") }

// Unlink takes the end of a membership.
func (in *Intake) Unlink(group, member identity.Ref) error { return in.link(group, member, "-") }

// Links closes a group: connectors.Links in the ledger's own types. State is one
// of LinksComplete, LinksUnchanged and LinksUnknown. Members that are not nil
// are, with the Link calls since the group was last closed, all its members;
// nil adds none and, in a delta read, lets Link and Unlink change what is
// mirrored.
func (in *Intake) Links(group identity.Ref, members []identity.Ref, state, why string) error {
	for _, member := range members {
		if err := in.Link(group, member); err != nil {
			return err
		}
	}
	if err := in.usableGroup(group); err != nil {
		return err
	}
	c := stagedClose{group: group.ID, ord: in.next(), state: LinksState(state), given: members != nil, why: why}
	switch c.state {
	case LinksComplete, LinksUnchanged:
	case LinksUnknown:
		if c.why == "" {
			c.why = "its members could not be read"
		}
	default:
		return in.fail(fmt.Errorf("%s: %q is no state of links", group, state))
	}
	in.closes = append(in.closes, c)
	if len(in.closes) < stageRows {
		return nil
	}
	return in.flushCloses()
}

// Discard drops what was taken. It may be called again, and after Commit.
func (in *Intake) Discard() error {
	if in.ended {
		return nil
	}
	in.ended = true
	for stmt := range maps.Values(in.seen) {
		stmt.Close()
	}
	for stmt := range maps.Values(in.inserts) {
		stmt.Close()
	}
	return in.conn.Close()
}

func (in *Intake) next() int64 {
	in.ord++
	return in.ord
}

// fail remembers an error, after which the intake cannot be committed.
func (in *Intake) fail(err error) error {
	if err == nil {
		return nil
	}
	in.failed = in.mirror.l.wrap(in.ctx, "keep what was read from "+in.mirror.source, err)
	return in.failed
}

func (in *Intake) usable(kind identity.Kind) error {
	switch {
	case in.ended:
		return errors.New("the intake has ended")
	case in.failed != nil:
		return in.failed
	case kind != identity.User && kind != identity.Group:
		return in.fail(fmt.Errorf("%q is no kind of object", kind))
	}
	return nil
}

func (in *Intake) usableGroup(group identity.Ref) error {
	if err := in.usable(group.Kind); err != nil {
		return err
	}
	if group.Kind != identity.Group || group.ID == "" {
		return in.fail(fmt.Errorf("%s has no members", group))
	}
	return nil
}

func (in *Intake) object(o stagedObject) error {
	if err := in.usable(o.ref.Kind); err != nil {
		return err
	}
	o.ord = in.next()
	in.objects = append(in.objects, o)
	in.bytes += len(o.fields)
	if len(in.objects) < stageRows && in.bytes < stageBytes {
		return nil
	}
	return in.flushObjects()
}

func (in *Intake) link(group, member identity.Ref, op string) error {
	if err := in.usableGroup(group); err != nil {
		return err
	}
	if err := in.usable(member.Kind); err != nil {
		return err
	}
	if member.ID == "" {
		return in.fail(fmt.Errorf("%s: a member came without an id", group))
	}
	in.links = append(in.links, stagedLink{group: group.ID, member: member, ord: in.next(), op: op})
	if len(in.links) < stageRows {
		return nil
	}
	return in.flushLinks()
}

// flushObjects stages the records in memory, and of those that the mirror holds
// as they are no more than their name.
func (in *Intake) flushObjects() error {
	if !in.first {
		for _, kind := range identity.Kinds() {
			if err := in.fail(in.recognise(kind)); err != nil {
				return err
			}
		}
	}
	args := make([]any, 0, 7*len(in.objects))
	var fields []any
	for _, o := range in.objects {
		args = append(args, o.ref.Kind, o.ref.ID, o.ord, o.op, o.version, o.hash, o.why)
		if o.fields != nil {
			fields = append(fields, o.ord, o.fields)
		}
	}
	in.objects, in.bytes = in.objects[:0], 0
	if err := in.fail(in.insert("intake_fields", 2, fields, "")); err != nil {
		return err
	}
	return in.fail(in.insert("intake_object", 7, args, ""))
}

// recognise marks the records of the kind that the mirror holds as they are.
func (in *Intake) recognise(kind identity.Kind) error {
	var ids []any
	for _, o := range in.objects {
		if o.ref.Kind == kind && o.op == opRecord {
			ids = append(ids, o.ref.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	stmt := in.seen[kind]
	if stmt == nil {
		var err error
		stmt, err = in.conn.PrepareContext(in.ctx, `SELECT id, hash, version FROM main.mirror_object
			WHERE source = ? AND kind = ? AND state = ? AND id IN `+placeholders(1, stageRows))
		if err != nil {
			return err
		}
		in.seen[kind] = stmt
	}
	for len(ids) < stageRows { // one statement for every number of them
		ids = append(ids, ids[0])
	}
	rows, err := stmt.QueryContext(in.ctx, append([]any{in.mirror.source, kind, StatePresent}, ids...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	type content struct{ hash, version string }
	mirrored := make(map[string]content, stageRows)
	for rows.Next() {
		var id string
		var c content
		if err := rows.Scan(&id, &c.hash, &c.version); err != nil {
			return err
		}
		mirrored[id] = c
	}
	for i := range in.objects {
		o := &in.objects[i]
		if o.ref.Kind != kind || o.op != opRecord {
			continue
		}
		if c, ok := mirrored[o.ref.ID]; ok && c == (content{o.hash, o.version}) {
			o.op, o.fields = opSame, nil
		}
	}
	return rows.Err()
}

func (in *Intake) flushLinks() error {
	args := make([]any, 0, 5*len(in.links))
	for _, k := range in.links {
		args = append(args, k.group, k.member.Kind, k.member.ID, k.ord, k.op)
	}
	in.links = in.links[:0]
	return in.fail(in.insert("intake_link", 5, args,
		` ON CONFLICT (grp, member_kind, member_id) DO UPDATE SET ord = excluded.ord, op = excluded.op`))
}

func (in *Intake) flushCloses() error {
	args := make([]any, 0, 5*len(in.closes))
	for _, c := range in.closes {
		args = append(args, c.group, c.ord, c.state, c.given, c.why)
	}
	in.closes = in.closes[:0]
	return in.fail(in.insert("intake_close", 5, args, ""))
}

// insert writes rows of the given width. The statement for a full batch is
// prepared once.
func (in *Intake) insert(table string, width int, args []any, suffix string) error {
	if len(args) == 0 {
		return nil
	}
	rows := len(args) / width
	query := `INSERT INTO temp.` + table + ` VALUES ` + placeholders(rows, width) + suffix
	if rows < stageRows {
		_, err := in.conn.ExecContext(in.ctx, query, args...)
		return err
	}
	stmt := in.inserts[table]
	if stmt == nil {
		var err error
		if stmt, err = in.conn.PrepareContext(in.ctx, query); err != nil {
			return err
		}
		in.inserts[table] = stmt
	}
	_, err := stmt.ExecContext(in.ctx, args...)
	return err
}

// Checkpoint ends an intake: connectors.Checkpoint and what the mirror has to
// remember of the query.
type Checkpoint struct {
	Cursor string
	// Full are the kinds that were read from first to last: what was not
	// seen of them is gone.
	Full []identity.Kind
	// Only says that the read was of single objects: the members it read of
	// a group are all of them, and how the source was last read as a whole
	// does not change.
	Only bool
	// NoLinks says that memberships were not asked for: what is mirrored of
	// them stays as it is.
	NoLinks   bool
	Selection string
	Fields    string
	At        time.Time
}

// Summary says what a committed read came to, by kind.
type Summary struct {
	Read       map[identity.Kind]int // objects seen
	New        map[identity.Kind]int // not mirrored before, or back again
	Changed    map[identity.Kind]int // in content, state or links
	Absent     map[identity.Kind]int // taken for gone by this read
	Unreadable map[identity.Kind]int // seen but not readable
}
