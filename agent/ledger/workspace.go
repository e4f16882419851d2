package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// Workspace is the scratch room of one plan: what is desired, what is live, how
// the two belong together, and the steps that follow. It is spooled into
// temporary tables so that memory stays flat, and joined there with ownership.
// It is gone when it is closed. Not safe for concurrent use, but for Put calls
// through one goroutine.
type Workspace struct {
	ledger *Ledger
	conn   *sql.Conn
	sync   string
	source string
	target string
	// partial says that the plan is about selected objects only.
	partial bool
	stmts   map[string]*sql.Stmt
	// nestedOf is the group whose inner members are in temp.nested.
	nestedOf string
	// successions counts what was noted by Succeed.
	successions int
	// desires says that PutDesired was called.
	desires bool
	// enrolled is what PutAccount was given.
	enrolled volume
	// loading says that Load is running, unindexed that live objects have no
	// index yet.
	loading, unindexed bool
	// indexed are the statements of index that were run.
	indexed map[string]bool
	caches  caches
	// puts counts the rows put.
	puts int
}

const workspaceSchema = `
-- Rows that hold an entry are large: they stand in the order in which they came,
-- and only their keys in a tree. WITHOUT ROWID the tree of a million has twice the
-- levels, and rows that come in another order are spread over all of it.
CREATE TEMP TABLE desired (
  kind TEXT NOT NULL, source_id TEXT NOT NULL,
  state TEXT NOT NULL, name TEXT NOT NULL, why TEXT NOT NULL, cause TEXT NOT NULL,
  undecided INTEGER NOT NULL, active INTEGER NOT NULL, hash TEXT NOT NULL, entry BLOB NOT NULL,
  PRIMARY KEY (kind, source_id));
CREATE TEMP TABLE desired_key (
  kind TEXT NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, source_id TEXT NOT NULL,
  PRIMARY KEY (kind, path, value, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE live (
  kind TEXT NOT NULL, target_id TEXT NOT NULL, members_known INTEGER NOT NULL, entry BLOB NOT NULL);
CREATE TEMP TABLE live_key (
  kind TEXT NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, target_id TEXT NOT NULL,
  PRIMARY KEY (kind, path, value, target_id)) WITHOUT ROWID;
CREATE TEMP TABLE live_member (
  group_id TEXT NOT NULL, member_id TEXT NOT NULL,
  PRIMARY KEY (group_id, member_id)) WITHOUT ROWID;
CREATE TEMP TABLE claim (
  kind TEXT NOT NULL, target_id TEXT NOT NULL, source_id TEXT NOT NULL,
  PRIMARY KEY (kind, target_id)) WITHOUT ROWID;
CREATE TEMP TABLE account (
  source_id TEXT PRIMARY KEY, target_id TEXT NOT NULL, name TEXT NOT NULL, active INTEGER NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE team (
  source_id TEXT PRIMARY KEY, target_id TEXT NOT NULL, name TEXT NOT NULL,
  readable INTEGER NOT NULL, complete INTEGER NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE want_member (
  group_id TEXT NOT NULL, user_id TEXT NOT NULL,
  PRIMARY KEY (group_id, user_id)) WITHOUT ROWID;
-- Memberships that are wanting and too many, until they are steps. Joiners come
-- span by span.
CREATE TEMP TABLE joiner (
  span INTEGER NOT NULL, group_id TEXT NOT NULL, user_id TEXT NOT NULL, target_id TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (span, group_id, user_id)) WITHOUT ROWID;
CREATE TEMP TABLE joiner_span (n INTEGER PRIMARY KEY);
CREATE TEMP TABLE departed (
  group_id TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (group_id, user_id)) WITHOUT ROWID;
CREATE TEMP TABLE step (
  seq INTEGER PRIMARY KEY, wave INTEGER NOT NULL, level INTEGER NOT NULL,
  op TEXT NOT NULL, kind TEXT NOT NULL, source_id TEXT NOT NULL, target_id TEXT NOT NULL, name TEXT NOT NULL,
  by_config INTEGER NOT NULL, held TEXT NOT NULL, outcome TEXT NOT NULL, error TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX temp.step_order ON step (wave, level, seq);
CREATE INDEX temp.step_object ON step (kind, source_id);
CREATE INDEX temp.step_target ON step (kind, target_id);
CREATE TEMP TABLE stranger (
  kind TEXT NOT NULL, source_id TEXT NOT NULL, PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE selected (
  kind TEXT NOT NULL, source_id TEXT NOT NULL, PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE marked (
  kind TEXT NOT NULL, source_id TEXT NOT NULL, mark INTEGER NOT NULL, PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE linked (source_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE idled (
  user_id TEXT NOT NULL, group_id TEXT NOT NULL, PRIMARY KEY (user_id, group_id)) WITHOUT ROWID;
CREATE TEMP TABLE idle_account (target_id TEXT PRIMARY KEY, source_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE awaited (
  kind TEXT NOT NULL, source_id TEXT NOT NULL, wanted TEXT NOT NULL, found TEXT NOT NULL,
  PRIMARY KEY (kind, source_id, wanted)) WITHOUT ROWID;
CREATE TEMP TABLE grace (
  kind TEXT NOT NULL, source_id TEXT NOT NULL, PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
CREATE TEMP TABLE skipped (
  kind TEXT NOT NULL, source_id TEXT NOT NULL, name TEXT NOT NULL, why TEXT NOT NULL, undecided INTEGER NOT NULL,
  policy TEXT NOT NULL, target_id TEXT NOT NULL,
  PRIMARY KEY (kind, source_id)) WITHOUT ROWID;
`

// NewWorkspace opens an empty workspace for a sync.
func (l *Ledger) NewWorkspace(ctx context.Context, sync, source, target string) (*Workspace, error) {
	conn, err := l.conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, workspaceSchema+notesSchema); err != nil {
		conn.Close()
		return nil, fmt.Errorf("scratch tables: %w", err)
	}
	return &Workspace{ledger: l, conn: conn, sync: sync, source: source, target: target, stmts: map[string]*sql.Stmt{}, indexed: map[string]bool{}}, nil
}

// Close drops everything in the workspace.
func (w *Workspace) Close() error {
	for _, s := range w.stmts {
		s.Close()
	}
	return w.conn.Close()
}

// Load runs fill with all its Put calls in one transaction over the scratch
// tables, which spares one per row.
func (w *Workspace) Load(ctx context.Context, fill func() error) error {
	// What is planned grows with what is known.
	if err := w.fit(ctx, w.ledger.size()); err != nil {
		return err
	}
	if _, err := w.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	w.loading = true
	defer func() { w.loading = false }()
	err := fill()
	if err == nil && w.unindexed {
		err = w.indexLive(ctx)
	}
	if err != nil {
		clear(w.indexed) // what was made in the transaction goes with it
		_, rollback := w.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		if rollback != nil {
			return fmt.Errorf("%w (and rollback: %w)", err, rollback)
		}
		return err
	}
	_, err = w.conn.ExecContext(ctx, "COMMIT")
	return err
}

// settle makes room in the cache before there is much to look up: what was written in
// a transaction stays in it, up to nine tenths of it, until the transaction ends. It
// ends that of Load and begins another one, so that what was put before can no longer
// be undone. Where all accounts fit into the cache, there is room enough.
func (w *Workspace) settle(ctx context.Context) error {
	if w.spanLength() == 0 {
		return nil
	}
	if w.loading {
		if _, err := w.conn.ExecContext(ctx, "COMMIT; BEGIN"); err != nil {
			return err
		}
	}
	return trim(ctx, w.conn)
}

// fit gives the workspace caches for what is known, in KiB. Before there is anything
// desired, an intake may be reading the source beside it.
func (w *Workspace) fit(ctx context.Context, known int) error {
	most := mostIntake
	if w.desires {
		most = mostWorkspace
	}
	return w.caches.fit(ctx, w.conn, known, most)
}

func (w *Workspace) exec(ctx context.Context, query string, args ...any) error {
	stmt, err := w.prepared(ctx, query)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx, args...)
	return err
}

// brief returns the context for a statement about one object. It ends before anybody
// could end it, so that ctx is looked at beforehand: to have it watched meanwhile
// takes the driver a goroutine for every statement.
func brief(ctx context.Context) (context.Context, error) {
	return context.WithoutCancel(ctx), ctx.Err()
}

// put is exec for a statement about one object.
func (w *Workspace) put(ctx context.Context, query string, args ...any) error {
	ctx, err := brief(ctx)
	if err != nil {
		return err
	}
	if w.puts++; w.puts%trimOften == 0 {
		if err := trim(ctx, w.conn); err != nil {
			return err
		}
	}
	return w.exec(ctx, query, args...)
}

// look is query for what there is about one object.
func (w *Workspace) look(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, err := brief(ctx)
	if err != nil {
		return nil, err
	}
	return w.query(ctx, query, args...)
}

func (w *Workspace) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// row scans the only row of a query and reports whether there is one.
func (w *Workspace) row(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	stmt, err := w.prepared(ctx, query)
	if err != nil {
		return false, err
	}
	return found(stmt.QueryRowContext(ctx, args...).Scan(dest...))
}

func (w *Workspace) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := w.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = stmt
	return stmt, nil
}

// DesiredState says how a source object takes part in a plan.
type DesiredState string

// The states. Shielded objects are neither changed nor taken for absent.
const (
	In       DesiredState = "in"
	Out      DesiredState = "out"
	Shielded DesiredState = "shielded"
)

// Desired is one source object as the configuration sees it.
type Desired struct {
	Ref   identity.Ref
	Name  string
	State DesiredState
	// Why says why it is out or shielded; Undecided marks a shielded object
	// that a person must look at.
	Why       string
	Undecided bool
	Cause     identity.Cause
	Active    bool
	Hash      string // of the mirrored record
	Entry     identity.Entry
}

// Key is a value an object is looked up by, in the form it compares in.
type Key struct{ Path, Value string }

// PutDesired adds a source object with its keys.
func (w *Workspace) PutDesired(ctx context.Context, d Desired, keys []Key) error {
	w.desires = true
	entry, err := packEntry(d.Entry)
	if err != nil {
		return err
	}
	err = w.put(ctx, `INSERT OR REPLACE INTO temp.desired VALUES (?,?,?,?,?,?,?,?,?,?)`,
		d.Ref.Kind, d.Ref.ID, d.State, d.Name, d.Why, d.Cause, d.Undecided, d.Active, d.Hash, entry)
	if err != nil {
		return err
	}
	return w.putKeys(ctx, "desired_key", d.Ref.Kind, keys, d.Ref.ID)
}

// putKeys adds the keys of one object with one statement.
func (w *Workspace) putKeys(ctx context.Context, table string, kind identity.Kind, keys []Key, id string) error {
	if len(keys) == 0 {
		return nil
	}
	args := make([]any, 0, 4*len(keys))
	for _, k := range keys {
		args = append(args, kind, k.Path, k.Value, id)
	}
	return w.put(ctx, `INSERT OR IGNORE INTO temp.`+table+` VALUES `+placeholders(len(keys), 4), args...)
}

// PutLive adds a target object with its keys and, for a group, its members.
func (w *Workspace) PutLive(ctx context.Context, k identity.Kind, e identity.Entry, keys []Key) error {
	if !w.indexed[liveIndex] {
		if w.unindexed = w.loading; !w.loading {
			if err := w.indexLive(ctx); err != nil {
				return err
			}
		}
	}
	members := e.Members
	entry, err := packEntry(e)
	if err != nil {
		return err
	}
	if err := w.put(ctx, `INSERT OR REPLACE INTO temp.live VALUES (?,?,?,?)`,
		k, e.TargetID, members.Known, entry); err != nil {
		return err
	}
	if err := w.putKeys(ctx, "live_key", k, keys, e.TargetID); err != nil {
		return err
	}
	return w.putLiveMembers(ctx, e.TargetID, members.TargetIDs)
}

// memberRows is how many members are put with one statement.
const memberRows = 128

func (w *Workspace) putLiveMembers(ctx context.Context, group string, members []string) error {
	many := `INSERT OR IGNORE INTO temp.live_member VALUES ` + placeholders(memberRows, 2)
	args := make([]any, 0, 2*memberRows)
	for some := range slices.Chunk(members, memberRows) {
		args = args[:0]
		for _, id := range some {
			args = append(args, group, id)
		}
		if len(some) == memberRows {
			if err := w.put(ctx, many, args...); err != nil {
				return err
			}
			continue
		}
		for i := 0; i < len(args); i += 2 {
			if err := w.put(ctx, `INSERT OR IGNORE INTO temp.live_member VALUES (?,?)`, args[i], args[i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// DropLive forgets a target object.
func (w *Workspace) DropLive(ctx context.Context, k identity.Kind, targetID string) error {
	if err := w.index(ctx, liveKeyIndex); err != nil {
		return err
	}
	for _, query := range [...]string{
		`DELETE FROM temp.live WHERE kind = ? AND target_id = ?`,
		`DELETE FROM temp.live_key WHERE kind = ? AND target_id = ?`,
	} {
		if err := w.put(ctx, query, k, targetID); err != nil {
			return err
		}
	}
	if k != identity.Group {
		return nil
	}
	return w.put(ctx, `DELETE FROM temp.live_member WHERE group_id = ?`, targetID)
}

// ShowsMembers reports whether the target has shown a group with members.
func (w *Workspace) ShowsMembers(ctx context.Context) (bool, error) {
	n, err := w.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM temp.live_member LIMIT 1)`)
	return n > 0, err
}

// AssumeMembers takes the memberships that were written to a member-blind
// target for what it holds, of the teams that take part.
func (w *Workspace) AssumeMembers(ctx context.Context) error {
	return w.exec(ctx, `INSERT OR IGNORE INTO temp.live_member
		SELECT m.group_id, m.member_id FROM temp.team t
		CROSS JOIN main.assumed_member m ON m.sync = ? AND m.group_id = t.target_id`, w.sync)
}

// Skip records an object that nothing is done about. The first reason stays, but
// for one that a person must look at, which policy must not hide.
func (w *Workspace) Skip(ctx context.Context, ref identity.Ref, name, why string, undecided bool) error {
	return w.SkipAs(ctx, plan.Skipped{Ref: ref, Name: name, Why: why, Undecided: undecided})
}

// SkipAs is Skip with what matching.existing says and what it is about.
func (w *Workspace) SkipAs(ctx context.Context, s plan.Skipped) error {
	return w.put(ctx, `INSERT INTO temp.skipped VALUES (?,?,?,?,?,?,?)
		ON CONFLICT DO UPDATE SET why = excluded.why, undecided = 1, policy = excluded.policy, target_id = excluded.target_id
		WHERE excluded.undecided = 1 AND skipped.undecided = 0`,
		s.Ref.Kind, s.Ref.ID, s.Name, s.Why, s.Undecided, s.Policy, s.TargetID)
}
