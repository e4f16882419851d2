package scim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

const workEmail = `emails[type eq "work"].value`

// rig is an opened session and the server behind it.
type rig struct {
	fake    *scimtest.Server
	session connectors.Session
	url     string
}

// newRig opens a session to a strict server with these options.
func newRig(t *testing.T, o scimtest.Options, s scim.Settings) *rig {
	t.Helper()
	r := &rig{fake: newFake(t, &o)}
	server := httptest.NewServer(r.fake)
	t.Cleanup(server.Close)
	r.url = server.URL + "/scim/v2"
	s.URL = r.url
	session, err := openTarget(t, &s).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.session = session
	return r
}

func newFake(t *testing.T, o *scimtest.Options) *scimtest.Server {
	t.Helper()
	if o.Token == "" && o.Username == "" {
		o.Token = testToken
	}
	if o.LogRequests == 0 {
		o.LogRequests = 1000
	}
	fake, err := scimtest.New(*o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fake.Close() })
	return fake
}

// put stores an object behind the session's back and returns its id.
func (r *rig) put(t *testing.T, k identity.Kind, attributes map[string]any) string {
	t.Helper()
	id, err := r.fake.Put(k, attributes)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (r *rig) people(t *testing.T, n int) []identity.Member {
	t.Helper()
	if err := r.fake.Seed(n); err != nil {
		t.Fatal(err)
	}
	var out []identity.Member
	for _, u := range r.fake.Users() {
		out = append(out, identity.Member{
			Ref: identity.Ref{Kind: identity.User, ID: "src-" + u.ID}, TargetID: u.ID, Name: u.Name,
		})
	}
	return out
}

func (r *rig) apply(t *testing.T, c identity.Change) connectors.Result {
	t.Helper()
	result, err := r.session.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("%s: %v", c.Op, err)
	}
	return result
}

// list returns the ids of a listing in order of the server, and its error.
func (r *rig) list(t *testing.T, k identity.Kind, w connectors.Want) ([]identity.Entry, error) {
	t.Helper()
	var out []identity.Entry
	for e, err := range r.session.List(t.Context(), k, w) {
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (r *rig) members(t *testing.T, group string) []string {
	t.Helper()
	found, ok := r.fake.Find(identity.Group, group)
	if !ok {
		t.Fatalf("the server holds no group %s", group)
	}
	return slices.Sorted(slices.Values(found.Members))
}

// fired insists that a hazard was met.
func (r *rig) fired(t *testing.T, hazard string) {
	t.Helper()
	if r.fake.Fired()[hazard] == 0 {
		t.Errorf("the hazard %s did not fire: %v", hazard, r.fake.Fired())
	}
}

func userChange(op identity.Op, id string, attributes ...identity.Attribute) identity.Change {
	slices.SortFunc(attributes, func(a, b identity.Attribute) int { return strings.Compare(a.Path, b.Path) })
	return identity.Change{
		Op: op, Ref: identity.Ref{Kind: identity.User, ID: "u1"}, TargetID: id, Name: "ada@example.com", Attributes: attributes,
	}
}

func groupChange(op identity.Op, id string, members []identity.Member, attributes ...identity.Attribute) identity.Change {
	return identity.Change{
		Op: op, Ref: identity.Ref{Kind: identity.Group, ID: "g1"}, TargetID: id, Name: "Quality",
		Attributes: attributes, Members: members,
	}
}

func set(path string, after any) identity.Attribute {
	return identity.Attribute{Path: path, After: after}
}

func change(path string, before, after any) identity.Attribute {
	return identity.Attribute{Path: path, Before: before, After: after}
}

// ids returns the target ids of members.
func ids(members []identity.Member) []string {
	var out []string
	for _, m := range members {
		out = append(out, m.TargetID)
	}
	slices.Sort(out)
	return out
}

func wantClass(t *testing.T, err error, want connectors.Class) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want class %s", want)
	}
	if got := connectors.ClassOf(err); got != want {
		t.Fatalf("class %s, want %s: %v", got, want, err)
	}
}

// openAt opens a session to a handler of the test's own.
func openAt(t *testing.T, handler http.Handler, s scim.Settings) (connectors.Session, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s.URL = server.URL
	if _, ok := handler.(*scimtest.Server); ok {
		s.URL += "/scim/v2"
	}
	return openTarget(t, &s).Open(t.Context())
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// listOf is a ListResponse.
func listOf(resources ...map[string]any) map[string]any {
	list := []any{}
	for _, r := range resources {
		list = append(list, r)
	}
	return map[string]any{
		"schemas":      []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"},
		"totalResults": len(list), "Resources": list,
	}
}

func findFirst(t *testing.T, s connectors.Session, k identity.Kind, path, value string) ([]identity.Entry, error) {
	t.Helper()
	return s.Find(t.Context(), k, connectors.Match{Path: path, Value: value}, connectors.Want{})
}
