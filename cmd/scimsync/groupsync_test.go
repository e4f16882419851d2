package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// Exactly the groups that there are, on both sides of every border of a page, and
// one mail about them; a second run makes none and sends none.
func TestGroupSyncCounts(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 249, 250, 251, 501} {
		t.Run(itoa(n), func(t *testing.T) {
			t.Parallel()
			names := manyGroups(n)
			g := newGroupSync(t, groupsNamed(names...), nil)
			got := g.sync(exitDone)
			if have := g.names(); !slices.Equal(have, names) || got.Summary.Groups.Create != n {
				t.Fatalf("%d groups, %d created; want %d", len(have), got.Summary.Groups.Create, n)
			}
			for _, group := range g.application.Groups() {
				if group.ExternalID == "" || len(group.Members) > 0 {
					t.Errorf("group %s has externalId %q and %d members", group.Name, group.ExternalID, len(group.Members))
				}
			}
			if n == 0 {
				if mails := g.post.mails(t); len(mails) > 0 {
					t.Errorf("mails about nothing: %v", mails)
				}
			} else if body := g.post.one(t, 0).body; !strings.Contains(body, itoa(n)) || !strings.Contains(body, names[0]) {
				t.Errorf("the mail does not tell of %d groups:\n%.500s", n, body)
			}
			g.idle(exitDone)
		})
	}
}

// oddNames are names that break filters, headers and hand-made requests.
func oddNames() []string {
	return []string{
		`Finance "Core" Team`, `Back\Slash\`, "R&D + Labs", "Führungskräfte Straße", "財務部門・東京", "👩‍💻 Engineers", "100% #1?",
		`a" or displayName pr or displayName eq "b`, "Controlling, EMEA; APAC", "<b>bold</b>", "O'Brien's", strings.Repeat("x", 256),
		"=?utf-8?q?Bcc:_eve=40evil.example.com?=", "{{$.loop.loopInput.name}}", "Ärzte/Ä", "$env", "*",
	}
}

// Names arrive as they are, and are found again.
func TestGroupSyncOddNames(t *testing.T) {
	t.Parallel()
	names := oddNames()
	g := newGroupSync(t, groupsNamed(names...), nil)
	g.sync(exitDone)
	slices.Sort(names)
	if diff := cmp.Diff(names, g.names()); diff != "" {
		t.Errorf("groups (-want +have):\n%s", diff)
	}
	body := g.post.one(t, 0).body
	for _, name := range names {
		if !strings.Contains(body, name) && len(name) < 200 {
			t.Errorf("the mail does not show %q:\n%s", name, body)
		}
	}
	g.idle(exitDone)
	// They are found by name too, when the state is lost.
	g.write("scimsync.yaml", strings.Replace(g.read("scimsync.yaml"), "state: scimsync.db", "state: other.db", 1))
	got := g.sync(exitDone)
	if got.Summary.Groups.Create > 0 || len(g.names()) != len(names) {
		t.Errorf("with another state: %v", listed(got.Changes))
	}
}

// A blank at the beginning or end is part of the name for SailPoint and none for
// most servers.
func TestGroupSyncBlanks(t *testing.T) {
	t.Parallel()
	g := newGroupSync(t, groupsNamed("  leading", "trailing  ", "in  between"), nil)
	g.sync(exitDone)
	if n := len(g.names()); n != 3 {
		t.Errorf("groups %q", g.names())
	}
	g.idle(exitDone)
}

// Two entitlements of one name are two groups to SailPoint and one to the
// application: both are named, neither is merged into the other.
func TestGroupSyncSameName(t *testing.T) {
	t.Parallel()
	g := newGroupSync(t, groupsNamed("Twice", "Once", "twice"), nil)
	got := g.sync(exitPartial)
	if diff := cmp.Diff([]string{"Once"}, g.names()); diff != "" {
		t.Errorf("groups (-want +have):\n%s", diff)
	}
	var named []string
	for _, s := range got.Skipped {
		named = append(named, s.Name)
	}
	slices.Sort(named)
	if diff := cmp.Diff([]string{"Twice", "twice"}, named); diff != "" {
		t.Errorf("named (-want +have):\n%s", diff)
	}
	if body := g.post.one(t, 0).body; !strings.Contains(body, "Twice") || !strings.Contains(body, "twice") {
		t.Errorf("the mail does not name them:\n%s", body)
	}
	g.idle(exitPartial)
	g.must(g.tenant.RenameEntitlement(groupsNamed("", "", "x").Entitlements[2].ID, "Another", ""))
	g.sync(exitDone)
	if diff := cmp.Diff([]string{"Another", "Once", "Twice"}, g.names()); diff != "" {
		t.Errorf("groups (-want +have):\n%s", diff)
	}
}

// An entitlement that gets another name, or moves in the directory, renames the
// group that came from it.
func TestGroupSyncRename(t *testing.T) {
	t.Parallel()
	g := newGroupSync(t, groupsNamed("Old", "Beside"), nil)
	g.sync(exitDone)
	before, _ := g.application.Find(identity.Group, "Old")
	id := groupsNamed("Old").Entitlements[0].ID
	g.must(g.tenant.RenameEntitlement(id, "New", "CN=New,OU=Elsewhere,DC=example,DC=com"))
	got := g.sync(exitDone)
	if diff := cmp.Diff([]string{"update group New"}, listed(got.Changes)); diff != "" {
		t.Errorf("changes (-want +have):\n%s", diff)
	}
	after, ok := g.application.Find(identity.Group, "New")
	if !ok || after.ID != before.ID || len(g.names()) != 2 {
		t.Errorf("groups %v; want the one renamed", g.names())
	}
	g.idle(exitDone)
	// Two groups trade their names.
	other := groupsNamed("", "Beside").Entitlements[1].ID
	g.must(g.tenant.RenameEntitlement(id, "Beside", ""))
	g.must(g.tenant.RenameEntitlement(other, "New", ""))
	g.sync(exitDone)
	if traded, _ := g.application.Find(identity.Group, "Beside"); traded.ID != before.ID {
		t.Errorf("groups %v; want the names traded", g.names())
	}
	g.idle(exitDone)
}

// A group that was there before is left as it is, in whatever letters, and told
// about once.
func TestGroupSyncExisting(t *testing.T) {
	t.Parallel()
	names := append(manyGroups(3), `Bücher "A"`)
	g := newGroupSync(t, groupsNamed(names...), nil)
	for _, name := range []string{"GROUP 0001", `bücher "a"`} {
		_, err := g.application.Put(identity.Group, map[string]any{"displayName": name, "externalId": "by hand"})
		g.must(err)
	}
	got := g.sync(exitDone) // a policy, not a failure
	if got.Summary.Groups.Create != 2 || got.Summary.Groups.Skipped != 2 {
		t.Errorf("summary %+v, skipped %v", got.Summary.Groups, got.Skipped)
	}
	if diff := cmp.Diff([]string{"GROUP 0001", "Group 0000", "Group 0002", `bücher "a"`}, g.names()); diff != "" {
		t.Errorf("groups (-want +have):\n%s", diff)
	}
	body := g.post.one(t, 0).body
	for _, name := range []string{"Group 0001", `Bücher "A"`, "Group 0000", "Group 0002"} {
		if !strings.Contains(body, name) {
			t.Errorf("the mail does not show %q:\n%s", name, body)
		}
	}
	g.idle(exitDone)
	g.idle(exitDone)
	existing, _ := g.application.Find(identity.Group, "GROUP 0001")
	if existing.ExternalID != "by hand" {
		t.Errorf("the group of others has externalId %q", existing.ExternalID)
	}
	// Another one is told about, and the two of before are not.
	_, err := g.application.Put(identity.Group, map[string]any{"displayName": "Later"})
	g.must(err)
	g.must(g.tenant.PutEntitlement(sailpointtest.Group("ffffffffffffffffffffffffffffffff", "Later", "CN=Later,DC=example,DC=com")))
	g.sync(exitDone)
	if later := g.post.one(t, 1).body; !strings.Contains(later, "Later") || strings.Contains(later, "Group 0001") {
		t.Errorf("the second mail:\n%s", later)
	}
}

// Rows that come and go while the list is read lose nobody and invent nobody.
func TestGroupSyncMoves(t *testing.T) {
	t.Parallel()
	for _, page := range []int{1, 2, 3} {
		t.Run(itoa(page), func(t *testing.T) {
			t.Parallel()
			names := manyGroups(501)
			people := groupsNamed(names...)
			g := newGroupSync(t, people, nil)
			g.tenant.Inject(sailpointtest.Fault{ID: "moves", Match: g.tenant.Call("GET /entitlements"), Skip: page, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Do: func() {
				if err := g.tenant.RemoveEntitlement(people.Entitlements[0].ID); err != nil {
					t.Error(err)
				}
				if err := g.tenant.PutEntitlement(sailpointtest.Group("00000000000000000000000000000000", "In front", "CN=In front,DC=example,DC=com")); err != nil {
					t.Error(err)
				}
				if err := g.tenant.RemoveEntitlement(people.Entitlements[100].ID); err != nil {
					t.Error(err)
				}
			}}})
			g.sync(exitDone)
			want := slices.Concat(names[1:100], names[101:], []string{"In front"})
			slices.Sort(want)
			if diff := cmp.Diff(want, g.names()); diff != "" {
				t.Errorf("groups (-want +have):\n%s", diff)
			}
			if unfired := g.tenant.Unfired(); len(unfired) > 0 {
				t.Error(unfired)
			}
			g.idle(exitDone)
		})
	}
}

// A list that never stands still is an incomplete read: nothing is written.
func TestGroupSyncNeverStill(t *testing.T) {
	t.Parallel()
	g := newGroupSync(t, groupsNamed(manyGroups(501)...), nil)
	n := 0
	g.tenant.Inject(sailpointtest.Fault{Match: g.tenant.Call("GET /entitlements"), Skip: 1, Effect: sailpointtest.Effect{Do: func() {
		n++
		id := fmt.Sprintf("%032x", 1<<40+n)
		if err := g.tenant.PutEntitlement(sailpointtest.Group("0"+id[1:], "Moving "+itoa(n), "CN=x,DC=y")); err != nil {
			t.Error(err)
		}
	}}})
	r := g.command("sync")
	if r.code != exitIncomplete || len(g.names()) > 0 || !strings.Contains(r.err, "aggregation") {
		t.Errorf("%d groups were made\n%s", len(g.names()), r)
	}
	g.tenant.ClearFaults()
	g.sync(exitDone)
	if len(g.names()) != 501+n {
		t.Errorf("%d groups, want %d", len(g.names()), 501+n)
	}
}

// Throttled is not failed, on either side.
func TestGroupSyncThrottled(t *testing.T) {
	t.Parallel()
	g := newGroupSync(t, groupsNamed(manyGroups(260)...), nil)
	g.tenant.Inject(sailpointtest.Fault{ID: "429", Match: g.tenant.Call("GET /entitlements"), Skip: 1, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Throttle: time.Second}})
	g.application.SetHazards(scimtest.Hazards{Throttle: scimtest.Throttle{When: scimtest.When{Every: 1, Skip: 100, Times: 3, Method: http.MethodPost, Path: "/Groups"}, RetryAfter: time.Second}})
	got := g.sync(exitDone)
	if len(g.names()) != 260 || got.Summary.Groups.Create != 260 {
		t.Errorf("%d groups, %d created", len(g.names()), got.Summary.Groups.Create)
	}
	if g.application.Fired()["Throttle"] != 3 || len(g.tenant.Unfired()) > 0 {
		t.Errorf("nobody was throttled: %v, %v", g.application.Fired(), g.tenant.Unfired())
	}
	if body := g.post.one(t, 0).body; strings.Contains(strings.ToLower(body), "fail") {
		t.Errorf("the mail tells of a failure:\n%s", body)
	}
	g.idle(exitDone)
}

// One group that the application refuses is one failure, which the mail lists; the
// others are made. It is told once, and so is its end.
func TestGroupSyncFailure(t *testing.T) {
	t.Parallel()
	g := newGroupSync(t, groupsNamed(append(manyGroups(30), "Forbidden Name")...), func(c *groupSyncConfig) {
		c.notify = "{to: [stewards]}"
	})
	refuse := true
	g.behind(func(answer http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && refuse {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if strings.Contains(string(body), "Forbidden Name") {
				answer.Header().Set("Content-Type", "application/scim+json")
				answer.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(answer, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"this name is reserved"}`)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		g.application.ServeHTTP(answer, r)
	})
	g.configure()
	got := g.sync(exitPartial)
	failed := 0
	for _, c := range got.Changes {
		if c.Outcome == "failed" {
			failed++
		}
	}
	if failed != 1 || len(g.names()) != 30 {
		t.Errorf("%d failed, %d groups; want one and 30", failed, len(g.names()))
	}
	body := g.post.one(t, 0).body
	for _, want := range []string{"Forbidden Name", "this name is reserved", "Group 0007"} {
		if !strings.Contains(body, want) {
			t.Errorf("the mail does not say %q:\n%s", want, body)
		}
	}
	g.sync(exitPartial)
	if n := len(g.post.mails(t)); n != 1 {
		t.Errorf("%d mails, want the one of the first time", n)
	}
	refuse = false
	g.sync(exitDone)
	if body := g.post.one(t, 1).body; !strings.Contains(body, "Forbidden Name") || len(g.names()) != 31 {
		t.Errorf("%d groups, and the mail about the end:\n%s", len(g.names()), body)
	}
}

// With batch: object each group has a mail of its own, whose headers are ours
// alone.
func TestGroupSyncMailPerGroup(t *testing.T) {
	t.Parallel()
	names := append(oddNames(), "x\r\nBcc: eve@example.com\r\n\r\nowned")
	g := newGroupSync(t, groupsNamed(names...), func(c *groupSyncConfig) {
		c.notify = "{to: [stewards], events: [group_created, group_exists, failed], batch: object}"
	})
	g.command("sync") // the application may refuse the last one
	mails := g.post.mails(t)
	if len(mails) != len(names) {
		t.Fatalf("%d mails, want %d", len(mails), len(names))
	}
	for _, name := range oddNames() {
		if len(name) > 200 {
			continue
		}
		if !slices.ContainsFunc(mails, func(m postcard) bool { return strings.Contains(m.body, name) && strings.Contains(m.subject, name) }) {
			t.Errorf("no mail shows %q", name)
		}
	}
	for _, m := range mails {
		for name := range m.header {
			if !slices.Contains([]string{
				"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id",
				"Mime-Version", "Subject", "To", "User-Agent",
				"Importance", "Priority", "X-Priority", "X-Msmail-Priority", // of failures
			}, name) {
				t.Errorf("the mail %q has a header %s", m.subject, name)
			}
		}
		if to := m.header["To"]; len(to) != 1 || !strings.Contains(to[0], "stewards@example.com") {
			t.Errorf("the mail %q goes to %q", m.subject, to)
		}
	}
	g.command("sync")
	if n := len(g.post.mails(t)); n != len(names) {
		t.Errorf("%d mails after the second run, want those of the first", n)
	}
}
