package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// peer is a SCIM server that is not ours, in a process of its own: SCIMMY, as
// interop/server.mjs sets it up.
type peer struct {
	t   *testing.T
	url string // ends in /scim
}

// startPeer starts the server, or skips the test where it cannot run. With
// SCIMSYNC_INTEROP=required it fails instead, so that a build machine notices.
func startPeer(t *testing.T) *peer {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("SCIMSYNC_INTEROP") == "required" {
		missing = t.Fatalf
	}
	folder := filepath.Join("..", "..", "interop")
	node, err := exec.LookPath("node")
	if err != nil {
		missing("node is not installed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "scimmy-routers")); err != nil {
		missing("interop/node_modules is not complete (npm ci --prefix interop): %v", err)
	}
	var problems bytes.Buffer
	server := exec.CommandContext(t.Context(), node, "server.mjs")
	server.Dir, server.Env, server.Stderr = folder, append(os.Environ(), "SCIMMY_TOKEN="+scimToken), &problems
	server.WaitDelay = 10 * time.Second
	// The server ends with its standard input, also when this process is killed.
	hold, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		hold.Close()
		_ = server.Wait() // killed by then: the test's context has ended
		if problems.Len() > 0 {
			t.Logf("standard error of the server:\n%s", problems.String())
		}
	})
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		first <- strings.TrimSpace(line)
	}()
	select {
	case line := <-first:
		if u, err := url.Parse(line); err != nil || u.Host == "" {
			t.Fatalf("the server began with %q, not with its URL", line)
		}
		return &peer{t, line}
	case <-time.After(30 * time.Second):
		t.Fatal("the server did not say its URL within 30 s")
	}
	return nil
}

// call sends one request as any client would and demands its status.
func (p *peer) call(method, path string, body any, want int) []byte {
	p.t.Helper()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			p.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, bytes.NewReader(data))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+scimToken)
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if answer.StatusCode != want {
		p.t.Fatalf("%s %s: status %d, want %d: %s", method, path, answer.StatusCode, want, text)
	}
	return text
}

// create makes a resource behind scimsync's back and returns its id.
func (p *peer) create(collection string, attributes map[string]any) string {
	p.t.Helper()
	schema := "urn:ietf:params:scim:schemas:core:2.0:" + strings.TrimSuffix(collection, "s")
	attributes["schemas"] = []string{schema}
	var made account
	if err := json.Unmarshal(p.call(http.MethodPost, "/"+collection, attributes, http.StatusCreated), &made); err != nil {
		p.t.Fatal(err)
	}
	return made.ID
}

// patch edits a resource behind scimsync's back.
func (p *peer) patch(path string, operations ...map[string]any) {
	p.t.Helper()
	p.call(http.MethodPatch, path, map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": operations,
	}, http.StatusOK)
}

// account is a user or group at the peer.
type account struct {
	ID, ExternalID, UserName, DisplayName, Title string
	Active                                       bool
	Name                                         struct{ GivenName, FamilyName string }
	Emails                                       []struct{ Type, Value string }
	Members                                      []struct{ Value string }
	Enterprise                                   struct{ EmployeeNumber string } `json:"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
}

func (a account) email() string {
	for _, e := range a.Emails {
		if e.Type == "work" {
			return e.Value
		}
	}
	return ""
}

func (a account) members() []string {
	ids := []string{}
	for _, m := range a.Members {
		ids = append(ids, m.Value)
	}
	return ids
}

// list returns all resources of a collection, by the one request of SCIMMY's
// that honours count.
func (p *peer) list(collection string) []account {
	p.t.Helper()
	var page struct {
		TotalResults int
		Resources    []account
	}
	answer := p.call(http.MethodPost, "/"+collection+"/.search", map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:SearchRequest"},
		"startIndex": 1, "count": 1_000_000,
	}, http.StatusOK)
	if err := json.Unmarshal(answer, &page); err != nil {
		p.t.Fatal(err)
	}
	if len(page.Resources) != page.TotalResults {
		p.t.Fatalf("the listing of %s holds %d of %d", collection, len(page.Resources), page.TotalResults)
	}
	return page.Resources
}

// named returns the one resource of a name.
func (p *peer) named(collection, name string) account {
	p.t.Helper()
	for _, a := range p.list(collection) {
		if strings.EqualFold(a.UserName, name) || collection == "Groups" && a.DisplayName == name {
			return a
		}
	}
	p.t.Fatalf("%s: no %s", collection, name)
	return account{}
}

// requests returns the counts of requests since the server started.
func (p *peer) requests() map[string]int {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, strings.TrimSuffix(p.url, "/scim")+"/requests", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	counts := map[string]int{}
	if err := json.NewDecoder(answer.Body).Decode(&counts); err != nil {
		p.t.Fatal(err)
	}
	return counts
}

// interop is a world whose target is the peer.
type interop struct {
	*world
	peer *peer
	// foreign are resources that are none of scimsync's business, by path, as
	// they were: the bytes of every attribute but meta.
	foreign map[string]string
	// guests are foreign users who were put into our groups by hand, by the
	// group's id at the peer.
	guests map[string]string
}

// mapped provisions users with attributes of every shape: a list element, an
// attribute that may be empty, one of the enterprise extension.
const mapped = `users:
  map:
    title: {value: profile.title, empty: clear}
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber: profile.employeeNumber
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: profile.department
groups: {scope: type == "OKTA_GROUP"}
`

func newInterop(t *testing.T, people oktatest.World) *interop {
	t.Helper()
	w := &interop{world: &world{t: t, dir: t.TempDir()}, peer: startPeer(t), foreign: map[string]string{}, guests: map[string]string{}}
	var err error
	if w.org, err = oktatest.New(people); err != nil {
		t.Fatal(err)
	}
	if w.orgURL, err = w.org.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.org.Close() })
	w.url, w.config = w.peer.url, filepath.Join(w.dir, "scimsync.yaml")
	w.write("okta.token", oktatest.DefaultToken)
	w.write("scim.token", scimToken)
	w.configure(worldSettings{sync: mapped})
	w.settleForeigners()
	return w
}

// settleForeigners fills the peer with people and groups of its own.
func (w *interop) settleForeigners() {
	w.t.Helper()
	admin := w.peer.create("Users", map[string]any{
		"userName": "built-in-admin", "displayName": "Built-in Administrator", "active": true,
		"nickName": `"Root"`, "roles": []any{map[string]any{"value": "owner", "primary": true}},
		"emails":       []any{map[string]any{"value": "root@example.com"}, map[string]any{"value": "ops@example.com", "type": "home"}},
		"phoneNumbers": []any{map[string]any{"value": "+49-30-1234567", "type": "work"}},
	})
	dormant := w.peer.create("Users", map[string]any{"userName": "dormant@example.com", "active": false})
	partner := w.peer.create("Users", map[string]any{"userName": "partner@example.net", "externalId": "00upartner", "title": "Auditor"})
	w.watch("/Users/"+admin, "/Users/"+dormant, "/Users/"+partner)
	for _, g := range []map[string]any{
		{"displayName": "Everyone"},
		{"displayName": "Local Administrators", "members": []any{map[string]any{"value": admin}, map[string]any{"value": partner}}},
	} {
		w.watch("/Groups/" + w.peer.create("Groups", g))
	}
}

func (w *interop) watch(paths ...string) {
	w.t.Helper()
	for _, path := range paths {
		w.foreign[path] = w.bytes(path)
	}
}

// bytes returns a resource without meta, each attribute as it was sent.
func (w *interop) bytes(path string) string {
	w.t.Helper()
	attributes := map[string]json.RawMessage{}
	w.must(json.Unmarshal(w.peer.call(http.MethodGet, path, nil, http.StatusOK), &attributes))
	delete(attributes, "meta")
	data, err := json.Marshal(attributes)
	w.must(err)
	return string(data)
}

// employee is a user as the org's own API shows it.
type employee struct {
	ID, Status string
	Profile    struct{ Login, Email, FirstName, LastName, DisplayName, EmployeeNumber, Title string }
}

func (e employee) active() bool {
	return slices.Contains([]string{"ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT"}, e.Status)
}

func (e employee) displayName() string {
	if e.Profile.DisplayName != "" {
		return e.Profile.DisplayName
	}
	return e.Profile.FirstName + " " + e.Profile.LastName
}

// pages reads a listing of the org to its end.
func pages[T any](w *interop, path string) []T {
	w.t.Helper()
	var all []T
	for next := w.orgURL + path; next != ""; {
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, next, nil)
		w.must(err)
		r.Header.Set("Authorization", "SSWS "+oktatest.DefaultToken)
		answer, err := http.DefaultClient.Do(r)
		w.must(err)
		var page []T
		w.must(json.NewDecoder(answer.Body).Decode(&page))
		answer.Body.Close()
		all, next = append(all, page...), ""
		for _, link := range answer.Header.Values("Link") {
			if target, found := strings.CutSuffix(link, `>; rel="next"`); found {
				next = strings.TrimPrefix(target, "<")
			}
		}
	}
	return all
}

// staff returns every user of the org by id.
func (w *interop) staff() map[string]employee {
	w.t.Helper()
	all := map[string]employee{}
	for _, path := range []string{"/api/v1/users?limit=200", "/api/v1/users?limit=200&filter=status+eq+%22DEPROVISIONED%22"} {
		for _, e := range pages[employee](w, path) {
			all[e.ID] = e
		}
	}
	return all
}

type department struct {
	ID, Type string
	Profile  struct{ Name string }
}

// departments returns the groups of the org that are provisioned.
func (w *interop) departments() []department {
	w.t.Helper()
	return slices.DeleteFunc(pages[department](w, "/api/v1/groups?limit=200"), func(d department) bool { return d.Type != "OKTA_GROUP" })
}

func (w *interop) staffOf(d department) []string {
	w.t.Helper()
	var ids []string
	for _, e := range pages[employee](w, "/api/v1/groups/"+d.ID+"/users?limit=200") {
		ids = append(ids, e.ID)
	}
	return ids
}

// agree demands that the peer holds what the org shows, each object once, and
// that nothing foreign was touched.
func (w *interop) agree() {
	w.t.Helper()
	for path, before := range w.foreign {
		if now := w.bytes(path); now != before {
			w.t.Errorf("%s is foreign and was changed:\nbefore %s\nnow    %s", path, before, now)
		}
	}
	users, owners := w.agreeUsers()
	w.agreeGroups(users, owners)
}

// agreeUsers returns the users of the peer by the id of their source user, and
// the other way round.
func (w *interop) agreeUsers() (map[string]account, map[string]string) {
	w.t.Helper()
	byName, bySource, owners := map[string]account{}, map[string]account{}, map[string]string{}
	for _, u := range w.peer.list("Users") {
		name := strings.ToLower(u.UserName)
		if _, twice := byName[name]; twice {
			w.t.Errorf("two users are called %s", u.UserName)
		}
		byName[name] = u
		if u.ExternalID == "" {
			continue
		}
		if other, twice := bySource[u.ExternalID]; twice {
			w.t.Errorf("%s and %s carry one externalId", other.UserName, u.UserName)
		}
		bySource[u.ExternalID], owners[u.ID] = u, u.ExternalID
	}
	staff := w.staff()
	for id, e := range staff {
		u, found := bySource[id]
		switch {
		case !e.active():
			if found && u.Active {
				w.t.Errorf("%s has left and is active at the peer", e.Profile.Login)
			}
			continue
		case !found:
			w.t.Errorf("%s is missing at the peer", e.Profile.Login)
			continue
		}
		want := []any{e.Profile.Login, e.Profile.FirstName, e.Profile.LastName, e.displayName(), e.Profile.Email, e.Profile.Title, e.Profile.EmployeeNumber, true}
		have := []any{u.UserName, u.Name.GivenName, u.Name.FamilyName, u.DisplayName, u.email(), u.Title, u.Enterprise.EmployeeNumber, u.Active}
		if !slices.Equal(want, have) {
			w.t.Errorf("%s at the peer:\nwant %q\nhave %q", e.Profile.Login, want, have)
		}
	}
	for id, u := range bySource {
		if _, known := staff[id]; !known && u.Active && w.foreign["/Users/"+u.ID] == "" {
			w.t.Errorf("%s is gone from the org and is active at the peer", u.UserName)
		}
	}
	return bySource, owners
}

// agreeGroups demands for every group exactly its active members, besides those
// who have left and guests.
func (w *interop) agreeGroups(users map[string]account, owners map[string]string) {
	w.t.Helper()
	staff, byName, bySource := w.staff(), map[string]bool{}, map[string]account{}
	for _, g := range w.peer.list("Groups") {
		if byName[g.DisplayName] {
			w.t.Errorf("two groups are called %s", g.DisplayName)
		}
		byName[g.DisplayName] = true
		bySource[g.ExternalID] = g
	}
	for _, d := range w.departments() {
		g, found := bySource[d.ID]
		if !found || g.DisplayName != d.Profile.Name {
			w.t.Errorf("group %s is at the peer as %q", d.Profile.Name, g.DisplayName)
			continue
		}
		want, have := map[string]bool{}, map[string]bool{}
		for _, id := range w.staffOf(d) {
			if staff[id].active() {
				want[users[id].ID] = true
			}
		}
		for _, id := range g.members() {
			if have[id] {
				w.t.Errorf("group %s holds member %s twice", d.Profile.Name, id)
			}
			have[id] = true
		}
		if guest := w.guests[g.ID]; guest != "" && !have[guest] {
			w.t.Errorf("group %s has lost its guest, whom we did not put there", d.Profile.Name)
		}
		// Leavers keep their place, guests were not put there by us, and
		// SCIMMY keeps the ids of users that were deleted.
		maps.DeleteFunc(have, func(id string, _ bool) bool { return !staff[owners[id]].active() })
		if !maps.Equal(want, have) {
			w.t.Errorf("group %s has %d active members at the peer, %d in the org", d.Profile.Name, len(have), len(want))
		}
	}
}

// follow syncs, demands that nothing is left to do and that both sides agree.
func (w *interop) follow() syncJSON {
	w.t.Helper()
	done := w.sync(exitDone)
	w.settled()
	w.agree()
	return done
}

// since returns what was counted after an earlier count.
func since(before, after map[string]int) (counts map[string]int, total, writes int) {
	counts = map[string]int{}
	for kind, n := range after {
		if n -= before[kind]; n == 0 {
			continue
		}
		counts[kind] = n
		total += n
		if !strings.HasPrefix(kind, http.MethodGet) && !strings.HasSuffix(kind, "/.search") {
			writes += n
		}
	}
	return counts, total, writes
}

// measured runs a step and logs what it cost on both sides.
func (w *interop) measured(what string, step func()) (total, writes int) {
	w.t.Helper()
	w.org.ResetRequests()
	before, start := w.peer.requests(), time.Now()
	step()
	took := time.Since(start)
	counts, total, writes := since(before, w.peer.requests())
	w.t.Logf("%s: %.2f s, %d requests to the peer (%d writes) %v, %d to the org",
		what, took.Seconds(), total, writes, counts, w.org.Total())
	return total, writes
}

// TestInteropAtSize provisions a thousand users, fifty groups and five thousand
// memberships into a server that is not ours.
func TestInteropAtSize(t *testing.T) {
	t.Parallel()
	w := newInterop(t, oktatest.Synthetic(1000, 50, 5000, 1))
	if r := w.command("check"); r.code != exitDone {
		t.Fatalf("check:\n%s", r)
	}
	var first syncJSON
	_, writes := w.measured("first sync", func() { first = w.sync(exitDone) })
	if n := first.Summary.Users.Create + first.Summary.Groups.Create; writes > n+n/10 {
		t.Errorf("%d writes for %d objects", writes, n)
	}
	if total, writes := w.measured("plan without a change", w.settled); total > 30 || writes > 0 {
		t.Errorf("a plan without a change took %d requests, %d of them writes", total, writes)
	}
	w.agree()
	w.measured("sync without a change", func() { w.sync(exitDone) })
	w.agree()
}
