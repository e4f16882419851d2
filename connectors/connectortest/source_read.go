package connectortest

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// descriptor: the static half says enough to configure and map the source.
func (s SourceSuite) descriptor(t T) {
	d := s.Type
	if d.Name == "" || d.Name != strings.ToLower(d.Name) || strings.ContainsAny(d.Name, " \t") {
		t.Errorf("Name is %q: one lower-case word is wanted", d.Name)
	}
	if d.Summary == "" || strings.Contains(d.Summary, "\n") {
		t.Errorf("Summary is %q: one line is wanted", d.Summary)
	}
	if d.Open == nil || d.Settings == nil {
		t.Fatalf("Open and Settings must be set")
	}
	settings := reflect.ValueOf(d.Settings())
	if settings.Kind() != reflect.Pointer || settings.IsNil() || settings.Elem().Kind() != reflect.Struct {
		t.Errorf("Settings returns a %T: a pointer to a struct is wanted", d.Settings())
	} else if settings.Pointer() == reflect.ValueOf(d.Settings()).Pointer() {
		t.Errorf("Settings returns the same struct twice: two sources would share their settings")
	}
	needed := map[identity.Kind][]string{identity.User: {"userName", "active"}, identity.Group: {"displayName"}}
	for kind, fields := range d.Fields {
		seen := map[string]bool{}
		for _, f := range fields {
			if f.Path == "" || f.Type == "" || seen[f.Path] {
				t.Errorf("%s field %q of type %q: a path, once, and a type are wanted", kind, f.Path, f.Type)
			}
			seen[f.Path] = true
		}
		for _, path := range needed[kind] {
			if d.DefaultMap[kind][path] == "" {
				t.Errorf("DefaultMap has no rule for the %s attribute %s", kind, path)
			}
		}
		for path, rule := range d.DefaultMap[kind] {
			if _, err := identity.ParsePath(path); err != nil {
				t.Errorf("DefaultMap of %s: %v", kind.Plural(), err)
			}
			if rule == "" {
				t.Errorf("DefaultMap of %s: %s has an empty rule", kind.Plural(), path)
			}
		}
	}
}

// info: the source says who it is, and why it reads no deltas where it does not.
func (s SourceSuite) info(t T) {
	sut := s.open(SourceOptions{World: Synthetic(2, 1, 1, 1)})
	info, err := sut.Source.Info(t.Context())
	if err != nil {
		t.Fatalf("Info: %v", err)
	}
	if info.Identity == "" {
		t.Errorf("Info names no identity")
	}
	if !info.Delta && info.DeltaReason == "" {
		t.Errorf("Info says that delta reads are not to be had, and not why")
	}
}

// pageBoundaries: no size of a listing or a group loses or invents anything.
func (s SourceSuite) pageBoundaries(t T) {
	for _, n := range []int{0, 1, s.PageSize - 1, s.PageSize, s.PageSize + 1, 2 * s.PageSize, 2*s.PageSize + 1} {
		w := World{Users: People(n, 1), Groups: Groups(n, 1)}
		for i := range w.Groups {
			// The groups have from none to all users as members.
			w.Groups[i].Members = w.ids(identity.User)[:i+1]
		}
		if n > 1 {
			w.Groups[0].Members = nil
		}
		t.Logf("%d users, %d groups, page size %d", n, n, s.PageSize)
		whole(t, s.read(t, s.open(SourceOptions{World: w}).Source, all()), w)
	}
}

// largeGroup: a group with more members than any vendor's first page shows.
func (s SourceSuite) largeGroup(t T) {
	w := World{Users: People(210, 2), Groups: Groups(1, 2)}
	w.Groups[0].Members = w.ids(identity.User)[:203]
	whole(t, s.read(t, s.open(SourceOptions{World: w}).Source, all()), w)
}

// awkward is a world whose names are hard to quote.
func awkward() World {
	w := World{Users: People(8, 3), Groups: Groups(5, 3)}
	names := []string{"o'neil@example.com", "plus+tag@example.com", "zoë.müller@example.com", `quo"te@example.com`, "percent%25@example.com"}
	for i, name := range names {
		w.Users[i].UserName, w.Users[i].Email = name, name
	}
	w.Users[0].Given, w.Users[0].Family = `Wendy "Wen"`, `Back\slash`
	w.Users[1].Given, w.Users[1].Family = "李娜", "الفارسي"
	w.Users[2].Active = false
	for i, name := range []string{"R&D / QA", `Team "Blue"`, "People+Culture?", "Équipe Qualité", `a\b #1 100%`} {
		w.Groups[i].Name = name
		w.Groups[i].Members = w.ids(identity.User)[i : i+3]
	}
	return w
}

// contents: what the directory holds arrives unchanged, whatever the letters.
func (s SourceSuite) contents(t T) {
	w := awkward()
	got := s.read(t, s.open(SourceOptions{World: w}).Source, all())
	whole(t, got, w)
	for _, want := range w.Users {
		record, ok := got.records[identity.Ref{Kind: identity.User, ID: want.ID}]
		if !ok {
			continue
		}
		if diff := cmp.Diff(want, s.User(record)); diff != "" {
			t.Errorf("user %s (-directory +read):\n%s", want.ID, diff)
		}
	}
	for _, want := range w.Groups {
		record, ok := got.records[identity.Ref{Kind: identity.Group, ID: want.ID}]
		if !ok {
			continue
		}
		if read := s.Group(record); read.ID != want.ID || read.Name != want.Name {
			t.Errorf("group %s reads as %q %q, want the name %q", want.ID, read.ID, read.Name, want.Name)
		}
	}
}

// kinds: the Checkpoint vouches for the kinds that were asked for, and
// memberships that were not asked for are not claimed.
func (s SourceSuite) kinds(t T) {
	w := Synthetic(2*s.PageSize+1, 3, 9, 4)
	for _, kind := range identity.Kinds() {
		got := s.read(t, s.open(SourceOptions{World: w}).Source, connectors.Query{Kinds: []identity.Kind{kind}})
		if got.err != nil {
			t.Errorf("reading %s only: %v", kind.Plural(), got.err)
			continue
		}
		if !got.full(kind) {
			t.Errorf("reading %s only: the Checkpoint does not vouch for them", kind.Plural())
		}
		honest(t, got, w)
	}
}

// disabledUsers: a directory's inactive people are listed, or they would look
// deleted.
func (s SourceSuite) disabledUsers(t T) {
	w := World{Users: People(2*s.PageSize+1, 5)}
	for i := range w.Users {
		w.Users[i].Active = i%2 == 0
	}
	whole(t, s.read(t, s.open(SourceOptions{World: w}).Source, all()), w)
}

// nestedGroups: a group within a group is a link to a group.
func (s SourceSuite) nestedGroups(t T) {
	w := Synthetic(4, 3, 6, 6)
	w.Groups[0].Nested = []string{w.Groups[1].ID}
	w.Groups[1].Nested = []string{w.Groups[2].ID}
	whole(t, s.read(t, s.open(SourceOptions{World: w}).Source, all()), w)
}

// deterministic: nothing changed, so nothing differs.
func (s SourceSuite) deterministic(t T) {
	w := Synthetic(2*s.PageSize+1, 4, 20, 7)
	source := s.open(SourceOptions{World: w}).Source
	one, other := s.read(t, source, all()), s.read(t, source, all())
	whole(t, one, w)
	same(t, one, other)
}

// concurrentReads: reads of one source do not disturb each other.
func (s SourceSuite) concurrentReads(t T) {
	w := Synthetic(3*s.PageSize+1, 4, 20, 8)
	source := s.open(SourceOptions{World: w}).Source
	readings := make([]*reading, 4)
	var group sync.WaitGroup
	for i := range readings {
		group.Go(func() { readings[i] = s.gather(t.Context(), source, all(), nil) })
	}
	group.Wait()
	for _, got := range readings {
		for _, breach := range got.broken {
			t.Errorf("%s", breach)
		}
		whole(t, got, w)
		same(t, readings[0], got)
	}
}

// projection: fewer fields lose no object, no wanted field, and none of those
// that are always present.
func (s SourceSuite) projection(t T) {
	w := Synthetic(s.PageSize+1, 2, 6, 9)
	source := s.open(SourceOptions{World: w}).Source
	complete := s.read(t, source, all())

	bare := all()
	bare.Fields = map[identity.Kind][]string{identity.User: {}, identity.Group: {}}
	whole(t, s.read(t, source, bare), w)

	wanted := all()
	wanted.Fields = map[identity.Kind][]string{}
	for kind, fields := range s.Type.Fields {
		for _, f := range fields {
			if f.Type != identity.Object {
				wanted.Fields[kind] = append(wanted.Fields[kind], f.Path)
			}
		}
	}
	got := s.read(t, source, wanted)
	whole(t, got, w)
	for ref, record := range complete.records {
		for _, path := range wanted.Fields[ref.Kind] {
			want, had := lookup(record.Fields, path)
			if value, has := lookup(got.records[ref].Fields, path); has != had || !cmp.Equal(value, want) {
				t.Errorf("%s of %s is %v when asked for by name, and %v when everything is", path, ref, value, want)
			}
		}
	}
}

// versions returns the versions of the groups of a read, and ends the test
// where the source gives none.
func versions(t T, got *reading) map[identity.Ref]string {
	t.Helper()
	known := map[identity.Ref]string{}
	for ref, record := range got.records {
		if ref.Kind != identity.Group {
			continue
		}
		if record.Version == "" {
			t.Fatalf("%s has no Version, so nothing can be known: skip the case with the reason", ref)
		}
		known[ref] = record.Version
	}
	return known
}

// knownLinks: groups whose links are mirrored are answered without reading
// their members, and only those.
func (s SourceSuite) knownLinks(t T) {
	w := Synthetic(2*s.PageSize+1, s.PageSize+1, 6*s.PageSize, 10)
	faults := &Faults{}
	source := s.open(SourceOptions{World: w, Faults: faults}).Source
	first := s.read(t, source, all())
	whole(t, first, w)
	known := versions(t, first)

	if needsMembers(s) == "" {
		for _, g := range w.Groups {
			faults.Add(Fault{ID: "members of " + g.ID, Match: s.membersOf(g.ID)})
		}
	}
	q := all()
	q.Known = func(ref identity.Ref) (string, bool) { v, ok := known[ref]; return v, ok }
	second := s.read(t, source, q)
	if second.err != nil {
		t.Fatalf("read with known links: %v", second.err)
	}
	for _, kind := range identity.Kinds() {
		if diff := cmp.Diff(w.ids(kind), second.ids(kind)); diff != "" {
			t.Errorf("%s with known links (-directory +read):\n%s", kind.Plural(), diff)
		}
	}
	for ref := range known {
		if state := second.closed[ref].State; state != connectors.Unchanged {
			t.Errorf("Links of %s are %q though its version is known, want unchanged", ref, state)
		}
		if n := faults.Fired("members of " + ref.ID); n > 0 {
			t.Errorf("%d requests for the members of %s though its version is known", n, ref)
		}
	}

	// One version is old, one is not known: both are read again.
	stale, forgotten := identity.Ref{Kind: identity.Group, ID: w.Groups[0].ID}, identity.Ref{Kind: identity.Group, ID: w.Groups[1].ID}
	known[stale] = "another version"
	delete(known, forgotten)
	third := s.read(t, source, q)
	wholeGroup(t, third, w.Groups[0])
	wholeGroup(t, third, w.Groups[1])
}

func (s SourceSuite) membersOf(id string) func(*http.Request) bool {
	return func(r *http.Request) bool { return s.Wire.Members(r, id) }
}

// knownLinksChanged: a changed membership changes the version.
func (s SourceSuite) knownLinksChanged(t T) {
	w := Synthetic(6, 3, 9, 11)
	sut := s.open(SourceOptions{World: w})
	known := versions(t, s.read(t, sut.Source, all()))
	edited := w.Clone()
	edited.Groups[0].Members = []string{w.Users[5].ID}
	edited.Groups[1].Members = nil
	sut.Edit(edited)
	q := all()
	q.Known = func(ref identity.Ref) (string, bool) { v, ok := known[ref]; return v, ok }
	got := s.read(t, sut.Source, q)
	if got.err != nil {
		t.Fatalf("read with known links: %v", got.err)
	}
	for i, g := range edited.Groups[:2] {
		if slices.Equal(w.Groups[i].Members, g.Members) {
			continue
		}
		wholeGroup(t, got, g)
	}
}
