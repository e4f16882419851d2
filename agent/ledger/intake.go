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
	caches  caches
	failed  error // of an earlier call: what is staged has a hole
	ended   bool
}

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
	if in.ord%stagedOften == 0 {
		// The next call returns what failed.
		_ = in.fail(in.caches.fit(in.ctx, in.conn, int(in.ord*stagedSize>>10), mostIntake))
		_ = in.fail(trim(in.ctx, in.conn))
	}
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
