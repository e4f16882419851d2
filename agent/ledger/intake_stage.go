package ledger

import "github.com/scimsync/scimsync/identity"

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
