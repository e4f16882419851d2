package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
)

// older makes a ledger of an earlier schema, as an earlier scimsync left it.
func older(t *testing.T, path string, schema int64) {
	t.Helper()
	if err := create(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	l, err := connect(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, l.writer, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	for _, stmt := range []string{
		`INSERT INTO run (id, sync, cycle, config_hash, started, finished, result, summary) VALUES ('r', 'sync', 'full', 'h', 1, 2, 'ok', 'null')`,
		`INSERT INTO owned (sync, kind, source_id, target, target_id, origin, name, record_hash, since) VALUES ('sync', 'user', 'a', 'target', 'ta', 'created', 'a@example.com', '', 1)`,
		`INSERT INTO pause (sync, since, why) VALUES ('sync', 1, 'teardown')`,
	} {
		if _, err := l.writer.ExecContext(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUpgradeKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]struct {
		schema int64
		killed bool
	}{
		"at once":             {schema: 1},
		"after it was killed": {schema: 1, killed: true},
		"from the last":       {schema: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "scimsync.db")
			older(t, path, from.schema)
			_, err := OpenReadOnly(t.Context(), path)
			if _, ok := errors.AsType[*OpenError](err); !ok || !strings.Contains(err.Error(), fmt.Sprintf("older scimsync (schema %d", from.schema)) {
				t.Errorf("for reading: %v", err)
			}
			if from.killed {
				killAt(t, path, "open", migrating+AfterWrite, nil)
			}
			l, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if runs, err := l.Runs(t.Context(), "sync", 9); err != nil || len(runs) != 1 || runs[0].Result != "ok" {
				t.Errorf("runs: %+v, %v", runs, err)
			}
			if o, ok, err := l.OwnedBy(t.Context(), "target", "user", "ta"); err != nil || !ok || o.Ref != user("a") {
				t.Errorf("owned: %+v, %v, %v", o, ok, err)
			}
			var why string
			if err := l.db.QueryRowContext(t.Context(), `SELECT why FROM pause WHERE sync = 'sync'`).Scan(&why); err != nil || why != "teardown" {
				t.Errorf("pause: %q, %v", why, err)
			}
			if known, err := l.Agendas(t.Context()); err != nil || len(known) != 0 {
				t.Errorf("agendas: %+v, %v", known, err)
			}
			if err := l.Told().Remember(t.Context(), []string{"k"}, noon()); err != nil {
				t.Error(err)
			}
			read(t, l.Mirror("src"), full("1"), small()...)
			// The only run of a sync is kept, however old.
			if got, err := l.PruneJournal(t.Context(), later()); err != nil || got != (Pruned{}) {
				t.Errorf("pruned %+v, %v", got, err)
			}
		})
	}
}

func TestAgendasAreKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scimsync.db")
	l, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	whole := Agenda{
		LastStart: noon(), LastEnd: later(), LastFire: noon().Add(-7 * time.Millisecond), Spec: "0 3 * * * Europe/Berlin",
		Asked: noon().Add(time.Second), Failures: 6, Until: later().Add(time.Hour), Version: "v", Result: "failed", Why: "it said \"no\"",
	}
	for _, a := range []Agenda{{Failures: 1}, whole} { // the later counts
		if err := l.KeepAgenda(t.Context(), "a'b", a); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.KeepAgenda(t.Context(), "empty", Agenda{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	got, err := reader.Agendas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "agendas", got, map[string]Agenda{"a'b": whole, "empty": {}})
	if err := reader.KeepAgenda(t.Context(), "a", Agenda{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("keep while reading: %v", err)
	}
}

func TestQuarantined(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		until time.Time
		want  bool
	}{{time.Time{}, false}, {noon(), false}, {noon().Add(time.Millisecond), true}, {noon().Add(-time.Hour), false}} {
		if got := (Agenda{Until: c.until}).Quarantined(noon()); got != c.want {
			t.Errorf("until %v: %v", c.until, got)
		}
	}
}

func TestPruneForgetsWhatWasToldLongAgo(t *testing.T) {
	t.Parallel()
	l := open(t)
	told := l.Told()
	for key, at := range map[string]time.Time{"old": noon().Add(-time.Hour), "again": noon().Add(-time.Hour), "new": noon()} {
		if err := told.Remember(t.Context(), []string{key}, at); err != nil {
			t.Fatal(err)
		}
	}
	// What is told again is as new as that.
	if err := told.Remember(t.Context(), []string{"again"}, later()); err != nil {
		t.Fatal(err)
	}
	got, err := l.Prune(t.Context(), noon())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "pruned", got, Pruned{Told: 1})
	keys, err := told.Keys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "kept", keys, []string{"again", "new"})
}
