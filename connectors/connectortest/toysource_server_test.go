package connectortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// toyDirectory is a directory server with pages, versions and a change feed.
type toyDirectory struct {
	mu      sync.Mutex
	worlds  []World // by revision
	oldest  int     // oldest revision the change feed knows
	page    int
	overlap bool // a page begins with the last object of the one before
}

func newToyDirectory(w World, page int) *toyDirectory {
	return &toyDirectory{worlds: []World{w.Clone()}, page: page}
}

func (d *toyDirectory) edit(w World) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.worlds = append(d.worlds, w.Clone())
}

func (d *toyDirectory) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.worlds = append(d.worlds, d.worlds[len(d.worlds)-1])
	d.oldest = len(d.worlds) - 1
}

type toyPage struct {
	Items []toyItem `json:"items"`
	Next  string    `json:"next,omitempty"`
}

type toyItem struct {
	ID      string         `json:"id"`
	Kind    identity.Kind  `json:"kind"`
	Version string         `json:"version,omitempty"`
	Fields  map[string]any `json:"fields,omitempty"`
	Gone    bool           `json:"gone,omitempty"`
	Added   []identity.Ref `json:"added,omitempty"`
	Removed []identity.Ref `json:"removed,omitempty"`
}

func userItem(u User) toyItem {
	return toyItem{ID: u.ID, Kind: identity.User, Fields: map[string]any{
		"id": u.ID, "login": u.UserName, "given": u.Given, "family": u.Family, "mail": u.Email, "enabled": u.Active,
	}}
}

func groupItem(g Group) toyItem {
	return toyItem{ID: g.ID, Kind: identity.Group, Version: fmt.Sprint(g.Name, g.Members, g.Nested), Fields: map[string]any{"id": g.ID, "name": g.Name}}
}

func (d *toyDirectory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.worlds[len(d.worlds)-1]
	var items []toyItem
	switch path := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); {
	case path[0] == "me":
	case path[0] == "changes":
		from, err := strconv.Atoi(r.URL.Query().Get("from"))
		if err != nil || from < d.oldest {
			http.Error(w, "{}", http.StatusGone)
			return
		}
		items = changes(d.worlds[from], now)
	case path[0] == "users":
		for _, u := range now.Users {
			items = append(items, userItem(u))
		}
	case path[0] == "groups" && len(path) == 1:
		for _, g := range now.Groups {
			items = append(items, groupItem(g))
		}
	case path[0] == "groups":
		g, _ := now.Group(path[1])
		for _, ref := range g.Refs() {
			items = append(items, toyItem{ID: ref.ID, Kind: ref.Kind})
		}
	}
	name := r.URL.Query().Get("name")
	id := r.URL.Query().Get("id")
	items = slices.DeleteFunc(items, func(i toyItem) bool {
		return name != "" && i.Fields["login"] != name && i.Fields["name"] != name || id != "" && i.ID != id
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Revision", strconv.Itoa(len(d.worlds)-1))
	_ = json.NewEncoder(w).Encode(d.cut(items, r.URL.Query().Get("after")))
}

// cut returns the page after the object with the id.
func (d *toyDirectory) cut(items []toyItem, after string) toyPage {
	start := slices.IndexFunc(items, func(i toyItem) bool { return i.ID == after }) + 1
	end := min(start+d.page, len(items))
	page := toyPage{Items: items[start:end]}
	if end < len(items) {
		page.Next = items[end-1].ID
	}
	if d.overlap && start > 0 {
		page.Items = items[start-1 : end]
	}
	if page.Items == nil {
		page.Items = []toyItem{}
	}
	return page
}

// changes lists what leads from one world to another.
func changes(from, to World) []toyItem {
	var out []toyItem
	for _, u := range to.Users {
		if old, ok := from.User(u.ID); !ok || old != u {
			out = append(out, userItem(u))
		}
	}
	for _, g := range to.Groups {
		old, ok := from.Group(g.ID)
		item := groupItem(g)
		item.Added = missingIn(g.Refs(), old.Refs())
		item.Removed = missingIn(old.Refs(), g.Refs())
		if !ok || old.Name != g.Name || len(item.Added)+len(item.Removed) > 0 {
			out = append(out, item)
		}
	}
	for _, kind := range identity.Kinds() {
		for _, id := range from.ids(kind) {
			if !slices.Contains(to.ids(kind), id) {
				out = append(out, toyItem{ID: id, Kind: kind, Gone: true})
			}
		}
	}
	return out
}

func missingIn(refs, others []identity.Ref) []identity.Ref {
	return slices.DeleteFunc(slices.Clone(refs), func(r identity.Ref) bool { return slices.Contains(others, r) })
}

// toyWire says which requests of the toy ask for what.
func toyWire() *Wire {
	listing := func(path string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.URL.Path == path && !r.URL.Query().Has("name") && !r.URL.Query().Has("id")
		}
	}
	return &Wire{
		Users: listing("/users"), Groups: listing("/groups"),
		Members: func(r *http.Request, id string) bool { return r.URL.Path == "/groups/"+id+"/members" },
	}
}

// toySuite runs on the toy with a defect; the empty defect is a sound source.
func toySuite(defect string) SourceSuite {
	return SourceSuite{
		Type: toyType(),
		Wire: toyWire(),
		Open: func(t *testing.T, o SourceOptions) SourceUnderTest {
			directory := newToyDirectory(o.World, o.PageSize)
			directory.overlap = defect == ""
			server := httptest.NewServer(o.Faults.Wrap(directory))
			t.Cleanup(server.Close)
			return SourceUnderTest{
				Source: &toySource{base: server.URL, client: server.Client(), defect: defect},
				Edit:   directory.edit, ExpireCursors: directory.expire,
			}
		},
		User: func(r identity.Record) User {
			text := func(name string) string { s, _ := r.Fields[name].(string); return s }
			return User{ID: r.Ref.ID, UserName: text("login"), Given: text("given"), Family: text("family"), Email: text("mail"), Active: r.Fields["enabled"] == true}
		},
		Group: func(r identity.Record) Group {
			name, _ := r.Fields["name"].(string)
			return Group{ID: r.Ref.ID, Name: name}
		},
	}
}
