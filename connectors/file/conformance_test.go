package file_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/file"
	"github.com/scimsync/scimsync/identity"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	const noWire = "files have no wire; what they do wrong is in this package's own tests"
	connectortest.SourceSuite{
		Type: file.Type(),
		Open: func(t *testing.T, o connectortest.SourceOptions) connectortest.SourceUnderTest {
			folder := t.TempDir()
			write(t, folder, o.World)
			return connectortest.SourceUnderTest{
				Source: open(t, folder),
				Edit:   func(w connectortest.World) { write(t, folder, w) },
			}
		},
		User: func(r identity.Record) connectortest.User {
			text := func(name string) string { s, _ := r.Fields[name].(string); return s }
			return connectortest.User{
				ID: r.Ref.ID, UserName: text("userName"), Given: text("givenName"), Family: text("familyName"),
				Email: text("email"), Active: r.Fields["active"] == true,
			}
		},
		Group: func(r identity.Record) connectortest.Group {
			name, _ := r.Fields["name"].(string)
			return connectortest.Group{ID: r.Ref.ID, Name: name}
		},
		Skip: map[string]string{
			"cancel in a page":              noWire,
			"insert while reading":          noWire,
			"error on a page":               noWire,
			"dishonest pages":               noWire,
			"throttled with Retry-After":    noWire,
			"throttled without Retry-After": noWire,
			"refused credential":            noWire,
			"expired credential":            noWire,
			"unreadable group":              noWire,
		},
	}.Run(t)
}

// open returns a source on the folder, through the descriptor.
func open(t *testing.T, folder string) connectors.Source {
	t.Helper()
	source, err := file.Type().Open(&file.Settings{Path: folder}, connectors.Runtime{Log: slog.New(slog.DiscardHandler), Traffic: &connectors.Traffic{}})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// write makes the files of a world, as an export does: beside, then renamed.
func write(t testing.TB, folder string, w connectortest.World) {
	t.Helper()
	var users, groups []any
	for _, u := range w.Users {
		users = append(users, map[string]any{
			"id": u.ID, "userName": u.UserName, "givenName": u.Given, "familyName": u.Family, "email": u.Email, "active": u.Active,
		})
	}
	for _, g := range w.Groups {
		members := []any{}
		for _, id := range g.Members {
			members = append(members, id)
		}
		for _, id := range g.Nested {
			members = append(members, map[string]string{"group": id})
		}
		groups = append(groups, map[string]any{"id": g.ID, "name": g.Name, "members": members})
	}
	writeLines(t, filepath.Join(folder, "users.jsonl"), users)
	writeLines(t, filepath.Join(folder, "groups.jsonl"), groups)
}

func writeLines(t testing.TB, path string, objects []any) {
	t.Helper()
	next, err := os.Create(path + ".next")
	if err != nil {
		t.Fatal(err)
	}
	encoder := json.NewEncoder(next)
	for _, o := range objects {
		if err := encoder.Encode(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
}
