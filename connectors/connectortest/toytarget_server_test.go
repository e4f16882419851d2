package connectortest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/scimsync/scimsync/identity"
)

// toyApp is an application with users and groups, spoken to in a JSON of its
// own: attributes by path, members by id.
type toyApp struct {
	mu      sync.Mutex
	next    int
	objects map[identity.Kind][]*toyObject
	page    int
	chunk   int
	hazards []Hazard
}

type toyObject struct {
	ID      string         `json:"id"`
	Attrs   map[string]any `json:"attrs"`
	Members []string       `json:"members"`
}

type toyBody struct {
	Set    map[string]any `json:"set"`
	Add    []string       `json:"add"`
	Remove []string       `json:"remove"`
	Empty  bool           `json:"empty"`
	Whole  bool           `json:"whole"`
}

type toyList struct {
	Total *int        `json:"total,omitempty"`
	Items []toyObject `json:"items"`
}

func newToyApp(o TargetOptions) *toyApp {
	return &toyApp{objects: map[identity.Kind][]*toyObject{}, page: o.PageSize, chunk: o.MembersPerPatch, hazards: o.Hazards}
}

func (a *toyApp) has(h Hazard) bool { return slices.Contains(a.hazards, h) }

func (a *toyApp) held(k identity.Kind) []identity.Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []identity.Entry
	for _, o := range a.objects[k] {
		e := identity.Entry{TargetID: o.ID, Attrs: identity.Attrs(maps.Clone(o.Attrs))}
		if k == identity.Group {
			e.Members = identity.Members{Known: true, TargetIDs: slices.Clone(o.Members)}
		}
		out = append(out, e)
	}
	return out
}

func (a *toyApp) edit(k identity.Kind, id string, attrs identity.Attrs) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o := a.object(k, id); o != nil {
		maps.Copy(o.Attrs, attrs)
	}
}

func (a *toyApp) object(k identity.Kind, id string) *toyObject {
	for _, o := range a.objects[k] {
		if o.ID == id {
			return o
		}
	}
	return nil
}

func (a *toyApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	kind := identity.User
	if path[0] == "Groups" {
		kind = identity.Group
	}
	var body toyBody
	_ = json.NewDecoder(r.Body).Decode(&body)
	w.Header().Set("Content-Type", "application/json")
	if len(path) == 1 {
		if r.Method == http.MethodPost {
			a.create(w, kind, body)
			return
		}
		a.list(w, r, kind)
		return
	}
	o := a.object(kind, path[1])
	if o == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodPatch:
		a.patch(w, o, body)
	case http.MethodDelete:
		a.objects[kind] = slices.DeleteFunc(a.objects[kind], func(x *toyObject) bool { return x == o })
		w.WriteHeader(http.StatusNoContent)
	default:
		_ = json.NewEncoder(w).Encode(a.shown(*o))
	}
}

func (a *toyApp) create(w http.ResponseWriter, kind identity.Kind, body toyBody) {
	name, _ := body.Set["userName"].(string)
	for _, o := range a.objects[kind] {
		if held, _ := o.Attrs["userName"].(string); kind == identity.User && strings.EqualFold(held, name) {
			w.WriteHeader(http.StatusConflict)
			return
		}
	}
	a.next++
	o := &toyObject{ID: fmt.Sprintf("t-%d", a.next), Attrs: map[string]any{}}
	if a.patch(w, o, body) {
		a.objects[kind] = append(a.objects[kind], o)
	}
}

// patch changes an object and answers it; false means that it was refused.
func (a *toyApp) patch(w http.ResponseWriter, o *toyObject, body toyBody) bool {
	unknown := slices.ContainsFunc(body.Add, func(id string) bool { return a.object(identity.User, id) == nil })
	if unknown || len(body.Add) > a.chunk || len(body.Remove) > a.chunk {
		w.WriteHeader(http.StatusBadRequest)
		return false
	}
	if body.Whole {
		clear(o.Attrs)
	}
	maps.Copy(o.Attrs, body.Set)
	maps.DeleteFunc(o.Attrs, func(_ string, v any) bool { return v == nil })
	if body.Empty {
		o.Members = nil
	}
	for _, id := range body.Add {
		if !slices.Contains(o.Members, id) {
			o.Members = append(o.Members, id)
		}
	}
	o.Members = slices.DeleteFunc(o.Members, func(id string) bool { return slices.Contains(body.Remove, id) })
	_ = json.NewEncoder(w).Encode(a.shown(*o))
	return true
}

func (a *toyApp) shown(o toyObject) toyObject {
	o.Attrs = maps.Clone(o.Attrs)
	if active, ok := o.Attrs["active"].(bool); ok && a.has(StringBooleans) {
		o.Attrs["active"] = map[bool]string{true: "True", false: "False"}[active]
	}
	if a.has(HidesMembers) {
		o.Members = nil
	}
	return o
}

func (a *toyApp) list(w http.ResponseWriter, r *http.Request, kind identity.Kind) {
	query := r.URL.Query()
	var items []toyObject
	for _, o := range a.objects[kind] {
		held, _ := o.Attrs[query.Get("path")].(string)
		match := strings.EqualFold(held, query.Get("value"))
		if !query.Has("path") || match || a.has(IgnoresFilters) {
			items = append(items, a.shown(*o))
		}
	}
	total := len(items)
	start, _ := strconv.Atoi(query.Get("start"))
	if a.has(RepeatsPages) {
		start = 0
	}
	start = min(start, total)
	answer := toyList{Total: &total, Items: items[start:min(start+a.page, total)]}
	if a.has(NoTotals) {
		answer.Total = nil
	}
	if answer.Items == nil {
		answer.Items = []toyObject{}
	}
	_ = json.NewEncoder(w).Encode(answer)
}
