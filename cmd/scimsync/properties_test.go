package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/identity"
)

// fromExport makes a world read an export instead of an org.
func (w *world) fromExport(sync string) {
	w.t.Helper()
	w.write("scimsync.yaml", fmt.Sprintf(`version: 1
state: scimsync.db
sources:
  export: {type: file, path: .}
targets:
  app:
    type: scim
    url: %s
    auth: {bearer: {file: scim.token}}
syncs:
  main:
    from: export
    to: app
%s`, w.url, indent(4, sync)))
}

// exported are the lines of the small export.
func exported(t *testing.T) (users, groups []string) {
	t.Helper()
	read := func(name string) []string {
		data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "worlds", "small", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(data)), "\n")
	}
	return read("users.jsonl"), read("groups.jsonl")
}

func (w *world) export(users, groups []string) {
	w.t.Helper()
	w.write("users.jsonl", strings.Join(users, "\n")+"\n")
	w.write("groups.jsonl", strings.Join(groups, "\n")+"\n")
}

// propertyRuns bounds the runs of a property that needs servers of its own, where
// SCIMSYNC_MODEL_RUNS does not ask for more.
const propertyRuns = 5

// bounded checks a property a few times only; a failure is made small.
func bounded(t *testing.T, property func(rt *rapid.T)) {
	t.Helper()
	runs, limit, failed := 0, asked(t, "SCIMSYNC_MODEL_RUNS", propertyRuns), false
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > limit && !failed {
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		property(rt)
	})
}

// In whatever order a source shows its people, groups and members, the plan is the
// same to the byte, on an empty application and on one that has drifted.
func TestOrderOfTheSourceMakesNoDifference(t *testing.T) {
	t.Parallel()
	users, groups := exported(t)
	w := newWorld(t)
	w.fromExport("users: {}\ngroups: {leavers: delete}\nguards: {floor: 1000}\n")
	planned := func(rt *rapid.T, users, groups []string) string {
		w.export(users, groups)
		// Another state file, or the second plan would find a mirror.
		for _, name := range []string{"scimsync.db", "scimsync.db-wal", "scimsync.db-shm"} {
			if err := os.Remove(filepath.Join(w.dir, name)); err != nil && !os.IsNotExist(err) {
				rt.Fatal(err)
			}
		}
		r := w.command("plan", "-o", "json")
		var doc planJSON
		if r.code != exitDone && r.code != exitPartial || json.Unmarshal([]byte(r.out), &doc) != nil || len(doc.Syncs) != 1 {
			rt.Fatal(r)
		}
		text, err := json.Marshal([]any{doc.Syncs[0].Changes, doc.Syncs[0].Held, doc.Syncs[0].Skipped, doc.Syncs[0].Summary})
		if err != nil {
			rt.Fatal(err)
		}
		return string(text)
	}
	bounded(t, func(rt *rapid.T) {
		w.must(w.application.Wipe())
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{
			"ada.archer@example.com", "bjorn.ekstrom@example.com", "somebody@example.com",
		}), rapid.ID[string]).Draw(rt, "already there") {
			_, err := w.application.Put(identity.User, map[string]any{"userName": name, "active": true})
			w.must(err)
		}
		want := planned(rt, users, groups)
		if !strings.Contains(want, "ada.archer@example.com") {
			rt.Fatalf("the plan is about nobody: %s", want)
		}
		shuffled := slices.Clone(groups)
		for i, line := range shuffled {
			var group map[string]any
			w.must(json.Unmarshal([]byte(line), &group))
			if members, ok := group["members"].([]any); ok {
				group["members"] = rapid.Permutation(members).Draw(rt, "members")
			}
			data, err := json.Marshal(group)
			w.must(err)
			shuffled[i] = string(data)
		}
		if got := planned(rt, rapid.Permutation(users).Draw(rt, "users"), rapid.Permutation(shuffled).Draw(rt, "groups")); got != want {
			rt.Fatalf("another order makes another plan:\n%s\n%s", want, got)
		}
	})
}

// What cannot be read or mapped is not absent: whatever is broken about whichever
// records, their accounts, groups and memberships stay as they were.
func TestSkippedIsNeverRemoved(t *testing.T) {
	t.Parallel()
	users, groups := exported(t)
	breakages := map[string]func(record map[string]any){
		"no name":       func(r map[string]any) { delete(r, "userName"); delete(r, "name") },
		"name of blank": func(r map[string]any) { r["userName"], r["name"] = "", "" },
		"wrong type":    func(r map[string]any) { r["userName"], r["name"] = 7, []string{"x"} },
		"no state":      func(r map[string]any) { delete(r, "active"); r["description"] = 5 },
		"odd members":   func(r map[string]any) { r["members"] = []any{7}; r["active"] = "perhaps" },
		"no members":    func(r map[string]any) { delete(r, "members"); r["active"] = nil },
	}
	bounded(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.fromExport("users: {leavers: delete}\ngroups: {leavers: delete}\nguards: {floor: 1000}\n")
		w.export(users, groups)
		if r := w.command("sync"); r.code != exitDone && r.code != exitPartial {
			rt.Fatal(r)
		}
		before := w.held()
		broken := 0
		spoil := func(lines []string) []string {
			out := slices.Clone(lines)
			for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(lines)-1), 1, 3, rapid.ID[int]).Draw(rt, "broken") {
				var record map[string]any
				w.must(json.Unmarshal([]byte(out[i]), &record))
				how := rapid.SampledFrom(slices.Sorted(maps.Keys(breakages))).Draw(rt, "how")
				breakages[how](record)
				data, err := json.Marshal(record)
				w.must(err)
				out[i] = string(data)
				if rapid.IntRange(0, 4).Draw(rt, "cut") == 0 {
					out[i] = out[i][:len(out[i])/2]
				}
				broken++
			}
			return out
		}
		w.export(spoil(users), spoil(groups))
		r := w.command("sync")
		if r.code != exitDone && r.code != exitPartial {
			rt.Fatal(r)
		}
		after := w.held()
		for _, what := range slices.Sorted(maps.Keys(before)) {
			if !after[what] {
				rt.Fatalf("%d records were broken, and %s is gone:\n%s", broken, what, r)
			}
		}
		if r.code != exitPartial {
			rt.Fatalf("%d records were broken, and nobody says so:\n%s", broken, r)
		}
		// What is truly absent does go, or all this would show nothing.
		w.export(users[1:], groups[1:])
		if r := w.command("sync"); r.code != exitDone && r.code != exitPartial || maps.Equal(before, w.held()) {
			rt.Fatalf("somebody left, and everything stays:\n%s", r)
		}
	})
}

// held says who is active at the application, which groups there are, and who is
// in them.
func (w *world) held() map[string]bool {
	out, names := map[string]bool{}, map[string]string{}
	for _, u := range w.application.Users() {
		names[u.ID] = u.Name
		out[fmt.Sprintf("user %s, active %t", u.Name, u.Active)] = true
	}
	for _, g := range w.application.Groups() {
		out["group "+g.Name] = true
		for _, id := range g.Members {
			out[names[id]+" in "+g.Name] = true
		}
	}
	return out
}
