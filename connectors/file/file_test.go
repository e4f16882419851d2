package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/file"
	"github.com/scimsync/scimsync/identity"
)

const (
	ada   = `{"id":"u1","userName":"ada@example.com","active":true}` + "\n"
	bjorn = `{"id":"u2","userName":"björn@example.com","active":false,"title":null}` + "\n"
	data  = `{"id":"g1","name":"Data","members":["u1",{"group":"g2"},"u1"]}` + "\n"
)

// folder writes the files that are not empty strings; "-" writes an empty one.
func folder(t *testing.T, users, groups string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"users.jsonl": users, "groups.jsonl": groups} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.TrimPrefix(text, "-")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read returns all events and the error that ended them, with the folder's path
// cut out of the texts.
func read(t *testing.T, dir string, q connectors.Query) ([]connectors.Event, error) {
	t.Helper()
	var events []connectors.Event
	for e, err := range open(t, dir).Read(t.Context(), q) {
		if err != nil {
			return events, err
		}
		short := func(s string) string { return strings.ReplaceAll(s, dir+string(filepath.Separator), "") }
		switch v := e.(type) {
		case connectors.Unreadable:
			v.Why = short(v.Why)
			e = v
		case connectors.Links:
			v.Why = short(v.Why)
			e = v
		case connectors.Upsert:
			if len(v.Record.Version) != 32 {
				t.Errorf("version %q", v.Record.Version)
			}
			v.Record.Version = ""
			e = v
		}
		events = append(events, e)
	}
	return events, nil
}

func user(id string) identity.Ref  { return identity.Ref{Kind: identity.User, ID: id} }
func group(id string) identity.Ref { return identity.Ref{Kind: identity.Group, ID: id} }

func upsert(ref identity.Ref, fields map[string]any) connectors.Upsert {
	return connectors.Upsert{Record: identity.Record{Ref: ref, Fields: fields}}
}

var (
	everything = connectors.Query{Kinds: []identity.Kind{identity.User, identity.Group}, Links: true}
	usersOnly  = connectors.Query{Kinds: []identity.Kind{identity.User}}
)

func adaRecord() connectors.Upsert {
	return upsert(user("u1"), map[string]any{"id": "u1", "userName": "ada@example.com", "active": true})
}

func TestReadUsers(t *testing.T) {
	t.Parallel()
	full := connectors.Checkpoint{Full: []identity.Kind{identity.User}}
	bad := func(id, why string) connectors.Unreadable { return connectors.Unreadable{Ref: user(id), Why: why} }
	tests := map[string]struct {
		users string
		want  []connectors.Event
	}{
		"empty file":                {"-", []connectors.Event{full}},
		"blank lines, CRLF and BOM": {"-\ufeff\r\n" + strings.TrimSuffix(ada, "\n") + "\r\n \t\n\n", []connectors.Event{adaRecord(), full}},
		"no line break at the end":  {strings.TrimSuffix(ada, "\n"), []connectors.Event{adaRecord(), full}},
		"other fields are kept": {
			`{"id":"u1","userName":"ada@example.com","active":true,"attributes":{"n":1},"else":[1]}` + "\n",
			[]connectors.Event{upsert(user("u1"), map[string]any{"id": "u1", "userName": "ada@example.com", "active": true, "attributes": map[string]any{"n": 1.0}, "else": []any{1.0}}), full},
		},
		"not JSON, id told":      {`{"id":"u2",oops}` + "\n" + ada, []connectors.Event{bad("u2", "users.jsonl:1 is not a JSON object: invalid character 'o' looking for beginning of object key string"), adaRecord(), full}},
		"not JSON, no id":        {`oops` + "\n" + ada, []connectors.Event{bad("", "users.jsonl:1 is not a JSON object: invalid character 'o' looking for beginning of value"), adaRecord(), full}},
		"two lines run into one": {`{"id":"u2","userName":"b{"id":"u3","userName":"c","active":true}` + "\n" + ada, []connectors.Event{bad("", "users.jsonl:1 is not a JSON object: invalid character 'i' after object key:value pair"), adaRecord(), full}},
		"two objects on a line":  {strings.TrimSuffix(ada, "\n") + bjorn, []connectors.Event{bad("", "users.jsonl:1 holds more than one object: put each on a line of its own"), full}},
		"cut in the middle":      {`{"id":"u2","userName":"b` + "\n" + ada, []connectors.Event{bad("u2", "users.jsonl:1 is not a JSON object: unexpected end of JSON input"), adaRecord(), full}},
		"a list":                 {`["id"]` + "\n", []connectors.Event{bad("", "users.jsonl:1 is not a JSON object: json: cannot unmarshal array into Go value of type map[string]interface {}"), full}},
		"null":                   {"null\n", []connectors.Event{bad("", "users.jsonl:1 is null, not an object"), full}},
		"id is a number":         {`{"id":7,"userName":"a","active":true}` + "\n", []connectors.Event{bad("", `users.jsonl:1 has no id: give "id" as a string`), full}},
		"id is blank":            {`{"id":" ","userName":"a","active":true}` + "\n", []connectors.Event{bad("", `users.jsonl:1 has no id: give "id" as a string`), full}},
		"not UTF-8":              {"{\"id\":\"u\xff\"}\n", []connectors.Event{bad("", "users.jsonl:1 is not UTF-8"), full}},
		"no userName":            {`{"id":"u2","active":true}` + "\n" + ada, []connectors.Event{bad("u2", `users.jsonl:1 has no userName: give "userName" as a string`), adaRecord(), full}},
		"empty userName":         {`{"id":"u2","userName":" ","active":true}` + "\n", []connectors.Event{bad("u2", `users.jsonl:1 has an empty userName`), full}},
		"no active":              {`{"id":"u2","userName":"b"}` + "\n", []connectors.Event{bad("u2", `users.jsonl:1 has no active: give "active" as a bool`), full}},
		"active as text":         {`{"id":"u2","userName":"b","active":"true"}` + "\n", []connectors.Event{bad("u2", "users.jsonl:1 needs active to be a bool"), full}},
		"a number for a string":  {`{"id":"u2","userName":"b","active":true,"employeeNumber":7}` + "\n", []connectors.Event{bad("u2", "users.jsonl:1 needs employeeNumber to be a string"), full}},
		"one id twice":           {ada + "\n" + bjorn + strings.Replace(bjorn, "u2", "u1", 1), []connectors.Event{adaRecord(), upsert(user("u2"), map[string]any{"id": "u2", "userName": "björn@example.com", "active": false, "title": nil}), upsert(user("u1"), map[string]any{"id": "u1", "userName": "björn@example.com", "active": false, "title": nil}), bad("u1", "users.jsonl:4 has the id of line 1: give each user one line"), full}},
		"a line too long":        {`{"id":"u2","userName":"` + strings.Repeat("x", 1<<20) + `","active":true}` + "\n" + ada, []connectors.Event{bad("", "users.jsonl:1 is longer than 1 MiB"), adaRecord(), full}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, folder(t, test.users, ""), usersOnly)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadGroups(t *testing.T) {
	t.Parallel()
	ref := group("g1")
	full := connectors.Checkpoint{Full: []identity.Kind{identity.Group}}
	record := upsert(ref, map[string]any{"id": "g1", "name": "Data"})
	shielded := func(why string) []connectors.Event {
		return []connectors.Event{connectors.Unreadable{Ref: ref, Why: why}, connectors.Links{Group: ref, State: connectors.Unknown, Why: why}, full}
	}
	tests := map[string]struct {
		groups string
		want   []connectors.Event
	}{
		"members":              {data, []connectors.Event{record, connectors.Links{Group: ref, State: connectors.Complete, Members: []identity.Ref{user("u1"), group("g2")}}, full}},
		"no members":           {`{"id":"g1","name":"Data","members":[]}`, []connectors.Event{record, connectors.Links{Group: ref, State: connectors.Complete, Members: []identity.Ref{}}, full}},
		"members not given":    {`{"id":"g1","name":"Data"}`, []connectors.Event{record, connectors.Links{Group: ref, State: connectors.Unknown, Why: `groups.jsonl gives the group no "members"`}, full}},
		"members null":         {`{"id":"g1","name":"Data","members":null}`, shielded("groups.jsonl:1 has members that are not a list: leave the key out where they are not known")},
		"member is a number":   {`{"id":"g1","name":"Data","members":["u1",2]}`, shielded(`groups.jsonl:1 member 2 is neither the id of a user nor {"group": ID}`)},
		"member of other form": {`{"id":"g1","name":"Data","members":[{"user":"u1"}]}`, shielded(`groups.jsonl:1 member 1 is neither the id of a user nor {"group": ID}`)},
		"no name":              {`{"id":"g1","members":[]}`, shielded(`groups.jsonl:1 has no name: give "name" as a string`)},
		"one id twice": {data + data, []connectors.Event{
			record,
			connectors.Links{Group: ref, State: connectors.Complete, Members: []identity.Ref{user("u1"), group("g2")}},
			record,
			connectors.Links{Group: ref, State: connectors.Complete, Members: []identity.Ref{user("u1"), group("g2")}},
			connectors.Unreadable{Ref: ref, Why: "groups.jsonl:2 has the id of line 1: give each group one line"},
			connectors.Links{Group: ref, State: connectors.Unknown, Why: "groups.jsonl:2 has the id of line 1: give each group one line"},
			full,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, folder(t, "", test.groups), connectors.Query{Kinds: []identity.Kind{identity.Group}, Links: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIncomplete: what cannot be read to its end has no Checkpoint, and the
// error names the file and what to do.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		make func(t *testing.T) string
		says []string
	}{
		"no folder":    {func(t *testing.T) string { return filepath.Join(t.TempDir(), "none") }, []string{"users.jsonl does not exist", "put the users there"}},
		"no groups":    {func(t *testing.T) string { return folder(t, ada, "") }, []string{"read groups", "groups.jsonl does not exist", "an empty file"}},
		"cut short":    {func(t *testing.T) string { return folder(t, ada+`{"id":"u2","userNa`, data) }, []string{"users.jsonl:2", "cut short"}},
		"cut to a bit": {func(t *testing.T) string { return folder(t, ada+`{`, data) }, []string{"users.jsonl:2", "cut short"}},
		"groups cut":   {func(t *testing.T) string { return folder(t, ada, data+`{"id":"g2","members":["u1"`) }, []string{"groups.jsonl:2", "cut short"}},
		"UTF-16":       {func(t *testing.T) string { return folder(t, "\xff\xfe{\x00", data) }, []string{"UTF-16", "save it as UTF-8"}},
		"a folder for a file": {func(t *testing.T) string {
			dir := folder(t, "", data)
			if err := os.Mkdir(filepath.Join(dir, "users.jsonl"), 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}, []string{"users.jsonl is not a regular file"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := read(t, test.make(t), everything)
			if class := connectors.ClassOf(err); class != connectors.Incomplete {
				t.Fatalf("ended with %v, of class %q; want class incomplete", err, class)
			}
			for _, text := range test.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
			for _, e := range events {
				if _, ok := e.(connectors.Checkpoint); ok {
					t.Error("there is a Checkpoint")
				}
			}
		})
	}
}

// TestChangedWhileReading: a file that is written on, or replaced, while it is
// read makes the read incomplete.
func TestChangedWhileReading(t *testing.T) {
	t.Parallel()
	changes := map[string]func(path string) error{
		"appended": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString(bjorn)
			return errors.Join(err, f.Close())
		},
		"touched": func(path string) error { return os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)) },
		"removed": os.Remove,
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".next", []byte(ada), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".next", path)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, ada, data)
			changed := false
			var failure error
			for event, err := range open(t, dir).Read(t.Context(), everything) {
				failure = err
				if _, ok := event.(connectors.Checkpoint); ok {
					t.Error("there is a Checkpoint")
				}
				if !changed {
					changed = true
					if err := change(filepath.Join(dir, "users.jsonl")); err != nil {
						t.Fatal(err)
					}
				}
			}
			if class := connectors.ClassOf(failure); class != connectors.Incomplete {
				t.Errorf("ended with %v, of class %q; want class incomplete", failure, class)
			}
		})
	}
}

// TestOnlyBesideBadLines: a line that cannot be read may be the one looked for,
// so nobody is said to be gone.
func TestOnlyBesideBadLines(t *testing.T) {
	t.Parallel()
	q := connectors.Query{Only: []connectors.Key{{Kind: identity.User, ID: "u9"}, {Kind: identity.User, Name: " ADA@example.com"}}, From: "c"}
	got, err := read(t, folder(t, "oops\n"+ada, ""), q)
	if err != nil {
		t.Fatal(err)
	}
	want := []connectors.Event{
		connectors.Unreadable{Ref: user(""), Why: "users.jsonl:1 is not a JSON object: invalid character 'o' looking for beginning of value"},
		adaRecord(),
		connectors.Unreadable{Ref: user("u9"), Why: "users.jsonl has lines that cannot be read: this may be one of them"},
		connectors.Checkpoint{Cursor: "c"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for path, wrong := range map[string]bool{"": true, "  ": true, "a\x00b": true, "export": false} {
		mistakes := (&file.Settings{Path: path}).Validate()
		if (len(mistakes) > 0) != wrong {
			t.Errorf("path %q: %v", path, mistakes)
		}
		for _, m := range mistakes {
			if m.Key != "path" {
				t.Errorf("path %q: the mistake is at %q", path, m.Key)
			}
		}
		if _, err := file.Type().Open(&file.Settings{Path: path}, connectors.Runtime{}); (err != nil) != wrong {
			t.Errorf("open with path %q: %v", path, err)
		}
	}
	if _, err := file.Type().Open(file.Settings{Path: "x"}, connectors.Runtime{}); err == nil {
		t.Error("settings by value are taken")
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	dir := folder(t, ada, "")
	info, err := open(t, dir).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Delta || len(info.Notes) != 1 || !strings.Contains(info.Notes[0], "groups.jsonl does not exist") {
		t.Errorf("Info %+v: one note about groups.jsonl is wanted", info)
	}
	for _, path := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "users.jsonl")} {
		if _, err := open(t, path).Info(t.Context()); connectors.ClassOf(err) != connectors.Incomplete || !strings.Contains(err.Error(), path) {
			t.Errorf("Info on %s: %v", path, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, dir).Info(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Info with a cancelled context: %v", err)
	}
}

// TestSmallWorld: the shared world is whole and holds what its page promises.
func TestSmallWorld(t *testing.T) {
	t.Parallel()
	var users, groups, inactive, managed, nested int
	known := map[identity.Ref]bool{}
	var members []identity.Ref
	for event, err := range open(t, filepath.Join("..", "..", "testdata", "worlds", "small")).Read(t.Context(), everything) {
		if err != nil {
			t.Fatal(err)
		}
		switch e := event.(type) {
		case connectors.Upsert:
			known[e.Record.Ref] = true
			if e.Record.Ref.Kind == identity.Group {
				groups++
				continue
			}
			users++
			if e.Record.Fields["active"] == false {
				inactive++
			}
			if id, ok := e.Record.Fields["managerId"].(string); ok {
				managed++
				members = append(members, user(id))
			}
			if name, _ := e.Record.Fields["userName"].(string); !strings.HasSuffix(name, "@example.com") {
				t.Errorf("%s lives elsewhere: %s", e.Record.Ref, name)
			}
		case connectors.Links:
			if e.State != connectors.Complete {
				t.Errorf("links of %s are %s", e.Group, e.State)
			}
			for _, m := range e.Members {
				if m.Kind == identity.Group {
					nested++
				}
			}
			members = append(members, e.Members...)
		case connectors.Unreadable:
			t.Errorf("%s: %s", e.Ref, e.Why)
		}
	}
	if got, want := [5]int{users, groups, inactive, managed, nested}, [5]int{12, 4, 1, 1, 1}; got != want {
		t.Errorf("users, groups, inactive, with manager, nested: %v, want %v", got, want)
	}
	for _, ref := range members {
		if !known[ref] {
			t.Errorf("%s is named and is not there", ref)
		}
	}
}
