package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Mirror is the last complete view of one source. It changes only when a whole
// read is committed.
type Mirror struct {
	l      *Ledger
	source string
}

// Mirror returns the mirror of a source, by its name in the configuration.
func (l *Ledger) Mirror(source string) *Mirror { return &Mirror{l, source} }

// State says what the mirror knows of an object.
type State string

// The states. Unreadable and gone objects keep the fields they last had.
const (
	StatePresent    State = "present"
	StateUnreadable State = "unreadable"
	StateGone       State = "gone"
)

// LinksState says what is known of a group's members.
type LinksState string

// The states of a read or mirrored membership; LinksUnchanged only occurs in a
// read. A user has none.
const (
	LinksComplete  LinksState = "complete"
	LinksUnchanged LinksState = "unchanged"
	LinksUnknown   LinksState = "unknown"
)

// Mirrored is one object of a mirror.
type Mirrored struct {
	Record identity.Record
	// Hash is of the fields; equal hashes mean equal fields.
	Hash  string
	State State
	// Why says in words why the object is unreadable, or names the
	// identity.Cause of a gone one: empty while it is not classified.
	Why string
	// Since is when the state last changed.
	Since      time.Time
	LinksState LinksState // empty for users
	LinksWhy   string
}

// Bookmark says how the mirror was last brought up to date.
type Bookmark struct {
	Cursor      string
	Selection   string // of the settings that decide what is read
	Fields      string // of the fields asked for
	CompletedAt time.Time
	// Shield says, by kind, why no object of the kind may be taken for
	// absent: the last full read could not tell which object it missed.
	Shield map[identity.Kind]string
}

// Bookmark returns how the source was last read; false means never to the end.
func (m *Mirror) Bookmark(ctx context.Context) (Bookmark, bool, error) {
	var b Bookmark
	var users, groups string
	var at int64
	ok, err := found(m.l.db.QueryRowContext(ctx, `
		SELECT cursor, selection, fields, shield_user, shield_group, completed_at FROM mirror_source WHERE source = ?`,
		m.source).Scan(&b.Cursor, &b.Selection, &b.Fields, &users, &groups, &at))
	if err != nil || !ok {
		return Bookmark{}, false, m.l.wrap(ctx, "read bookmark of "+m.source, err)
	}
	b.CompletedAt = fromMillis(at)
	b.Shield = map[identity.Kind]string{}
	for kind, why := range map[identity.Kind]string{identity.User: users, identity.Group: groups} {
		if why != "" {
			b.Shield[kind] = why
		}
	}
	return b, true, nil
}

// Known returns, for connectors.Query.Known, the version at which the links of
// a group were last complete. A group without a version is not known: its
// source cannot tell whether it changed. Nor is one that cannot be looked up: its
// members are then read, or the read fails for the same reason. It may be called
// by several goroutines, and until ctx ends.
func (m *Mirror) Known(ctx context.Context) func(identity.Ref) (string, bool) {
	return func(ref identity.Ref) (string, bool) {
		if ref.Kind != identity.Group {
			return "", false
		}
		var version string
		known, err := found(m.l.db.QueryRowContext(ctx, `
			SELECT links_version FROM mirror_object
			WHERE source = ? AND kind = ? AND id = ? AND state = ? AND links_state = ? AND links_version <> ''`,
			m.source, identity.Group, ref.ID, StatePresent, LinksComplete).Scan(&version))
		return version, known && err == nil
	}
}

const mirrorColumns = `id, version, hash, fields, state, why, since, links_state, links_why`

func scanMirrored(row interface{ Scan(dest ...any) error }, kind identity.Kind) (Mirrored, error) {
	var o Mirrored
	var fields []byte
	var since int64
	r := &o.Record
	r.Ref.Kind = kind
	err := row.Scan(&r.Ref.ID, &r.Version, &o.Hash, &fields, &o.State, &o.Why, &since, &o.LinksState, &o.LinksWhy)
	if err != nil {
		return Mirrored{}, err
	}
	o.Since = fromMillis(since)
	if err := json.Unmarshal(fields, &r.Fields); err != nil {
		return Mirrored{}, fmt.Errorf("fields of %s: %w", r.Ref, err)
	}
	return o, nil
}

// Records yields every object of the kind by id, gone and unreadable ones
// included. It reads in batches and holds nothing open in between, so the
// caller may write meanwhile.
func (m *Mirror) Records(ctx context.Context, kind identity.Kind) iter.Seq2[Mirrored, error] {
	return batches(func(after string) ([]Mirrored, string, error) {
		out, err := m.records(ctx, kind, after)
		if err != nil || len(out) == 0 {
			return nil, "", m.l.wrap(ctx, "read the mirror of "+m.source, err)
		}
		return out, out[len(out)-1].Record.Ref.ID, nil
	})
}

func (m *Mirror) records(ctx context.Context, kind identity.Kind, after string) ([]Mirrored, error) {
	rows, err := m.l.db.QueryContext(ctx, `SELECT `+mirrorColumns+` FROM mirror_object
		WHERE source = ? AND kind = ? AND id > ? ORDER BY id LIMIT ?`, m.source, kind, after, batch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make([]Mirrored, 0, batch)
	for rows.Next() {
		o, err := scanMirrored(rows, kind)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, rows.Err()
}

// Record returns one object, and false where the mirror has never seen it.
func (m *Mirror) Record(ctx context.Context, ref identity.Ref) (Mirrored, bool, error) {
	o, err := scanMirrored(m.l.db.QueryRowContext(ctx, `SELECT `+mirrorColumns+` FROM mirror_object
		WHERE source = ? AND kind = ? AND id = ?`, m.source, ref.Kind, ref.ID), ref.Kind)
	ok, err := found(err)
	return o, ok, m.l.wrap(ctx, "read "+ref.String()+" in the mirror of "+m.source, err)
}

// Lookup is Record by kind and source id, as the command line names an object.
func (m *Mirror) Lookup(ctx context.Context, kind identity.Kind, id string) (Mirrored, bool, error) {
	return m.Record(ctx, identity.Ref{Kind: kind, ID: id})
}

// Members yields the mirrored members of a group: users first, then groups, each
// by id. Whether they are all of them is in its LinksState.
func (m *Mirror) Members(ctx context.Context, groupID string) iter.Seq2[identity.Ref, error] {
	return func(yield func(identity.Ref, error) bool) {
		for _, kind := range identity.Kinds() {
			for id, err := range m.links(ctx, `SELECT member_id FROM mirror_link
				WHERE source = ? AND group_id = ? AND member_kind = ? AND member_id > ? ORDER BY member_id LIMIT ?`, groupID, kind) {
				if !yield(identity.Ref{Kind: kind, ID: id}, err) || err != nil {
					return
				}
			}
		}
	}
}

// GroupsOf yields the mirrored groups that ref is a direct member of, by id. It
// looks into every group, some microseconds each: an index by member would cost
// every first read a fifth of its time.
func (m *Mirror) GroupsOf(ctx context.Context, ref identity.Ref) iter.Seq2[identity.Ref, error] {
	return func(yield func(identity.Ref, error) bool) {
		for id, err := range m.links(ctx, `SELECT o.id FROM mirror_object o CROSS JOIN mirror_link k
			WHERE o.source = ? AND o.kind = 'group' AND k.source = o.source AND k.group_id = o.id
			  AND k.member_kind = ? AND k.member_id = ? AND o.id > ? ORDER BY o.id LIMIT ?`, ref.Kind, ref.ID) {
			if !yield(identity.Ref{Kind: identity.Group, ID: id}, err) || err != nil {
				return
			}
		}
	}
}

func (m *Mirror) links(ctx context.Context, query string, a, b any) iter.Seq2[string, error] {
	return batches(func(after string) ([]string, string, error) {
		out, err := m.l.strings(ctx, query, m.source, a, b, after, batch)
		if err != nil || len(out) == 0 {
			return nil, "", m.l.wrap(ctx, "read links in the mirror of "+m.source, err)
		}
		return out, out[len(out)-1], nil
	})
}

// strings returns the only column of a query.
func (l *Ledger) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

const mirrorShows = `SELECT EXISTS (SELECT 1 FROM mirror_object WHERE source = ? AND kind = ? AND state <> ?)`

// Shows reports whether the source shows any object of the kind, readable or not.
func (m *Mirror) Shows(ctx context.Context, kind identity.Kind) (bool, error) {
	var shows bool
	err := m.l.db.QueryRowContext(ctx, mirrorShows, m.source, kind, StateGone).Scan(&shows)
	return shows, m.l.wrap(ctx, "look at the mirror of "+m.source, err)
}

// Unclassified returns the objects of the kind that are gone and nobody has
// asked why, by id.
func (m *Mirror) Unclassified(ctx context.Context, kind identity.Kind) ([]identity.Ref, error) {
	ids, err := m.l.strings(ctx, `SELECT id FROM mirror_object
		WHERE source = ? AND kind = ? AND state = ? AND why = '' ORDER BY id`, m.source, kind, StateGone)
	if err != nil {
		return nil, m.l.wrap(ctx, "read absentees of "+m.source, err)
	}
	refs := make([]identity.Ref, len(ids))
	for i, id := range ids {
		refs[i] = identity.Ref{Kind: kind, ID: id}
	}
	return refs, nil
}

// SetGone keeps why a gone object is gone. An object that is not gone is left
// alone: it has come back meanwhile.
func (m *Mirror) SetGone(ctx context.Context, ref identity.Ref, cause identity.Cause) error {
	return m.SetAllGone(ctx, map[identity.Ref]identity.Cause{ref: cause})
}

// SetAllGone is SetGone for many objects in one transaction.
func (m *Mirror) SetAllGone(ctx context.Context, causes map[identity.Ref]identity.Cause) error {
	return m.l.write(ctx, "classify absentees of "+m.source, func(t *tx) error {
		for ref, cause := range causes {
			if _, err := t.exec(ctx, `UPDATE mirror_object SET why = ? WHERE source = ? AND kind = ? AND id = ? AND state = ?`,
				cause, m.source, ref.Kind, ref.ID, StateGone); err != nil {
				return err
			}
		}
		return nil
	})
}

// encodeFields returns the one form of a record's fields, and its hash. Names
// are sorted; a field that is nil is left out, since a source may or may not
// name what is empty.
func encodeFields(fields map[string]any) ([]byte, string, error) {
	if hasNil(fields) {
		whole := make(map[string]any, len(fields))
		for name, value := range fields {
			if value != nil {
				whole[name] = value
			}
		}
		fields = whole
	}
	if fields == nil {
		fields = map[string]any{}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, "", err
	}
	return data, hashOf(data), nil
}

func hasNil(fields map[string]any) bool {
	for _, v := range fields {
		if v == nil {
			return true
		}
	}
	return false
}

// hashOf returns 128 bits of SHA-256: enough for nobody to make two that agree.
func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
