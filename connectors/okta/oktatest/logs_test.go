package oktatest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// logged is a server by a clock that can be moved.
func logged(t *testing.T) (fake, *time.Time) {
	t.Helper()
	w := small()
	f := serve(t, w)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Configure(func(o *oktatest.Options) { o.Now = func() time.Time { return at } })
	return f, &at
}

// events lists the types of one page, and the link that follows.
func (f fake) events(query ...string) (types []string, next string) {
	f.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	target := "/api/v1/logs?" + values.Encode()
	if len(query) == 1 {
		target = query[0]
	}
	status, header, body := f.call(http.MethodGet, target, "")
	if status != http.StatusOK {
		f.t.Fatalf("GET %s: %d %s", target, status, body)
	}
	var entries []struct {
		EventType string
		Target    []struct{ ID, Type string }
	}
	if err := json.Unmarshal([]byte(body), &entries); err != nil {
		f.t.Fatalf("%v in %s", err, body)
	}
	for _, e := range entries {
		line := e.EventType
		for _, t := range e.Target {
			line += " " + t.Type + ":" + t.ID
		}
		types = append(types, line)
	}
	for _, link := range header.Values("Link") {
		if target, ok := strings.CutSuffix(link, `>; rel="next"`); ok {
			next = strings.TrimPrefix(target, "<"+f.url)
		}
	}
	return types, next
}

func TestLogTellsOfEveryAssignment(t *testing.T) {
	t.Parallel()
	f, at := logged(t)
	const app = "0oa1"
	for _, step := range []struct {
		do   func() error
		want []string
	}{
		{func() error { return f.AddMember("g1", "u1") }, []string{
			"group.user_membership.add User:u1 UserGroup:g1", "application.user_membership.add AppUser:0uau1 AppInstance:0oa1 User:u1",
		}},
		{func() error { return f.AssignUser(app, oktatest.AppUser{ID: "u1"}) }, []string{
			"application.user_membership.add AppUser:0uau1 AppInstance:0oa1 User:u1",
		}},
		{func() error { return f.AssignUser(app, oktatest.AppUser{ID: "u1", ExternalID: "x"}) }, []string{
			"application.user_membership.update AppUser:0uau1 AppInstance:0oa1 User:u1",
		}},
		// Still assigned by hand.
		{func() error { return f.RemoveMember("g1", "u1") }, []string{"group.user_membership.remove User:u1 UserGroup:g1"}},
		{func() error { return f.SetStatus("u1", oktatest.Deprovisioned) }, []string{
			"user.lifecycle.deactivate User:u1", "application.user_membership.remove AppUser:0uau1 AppInstance:0oa1 User:u1",
		}},
		{func() error { return f.AddMember("g1", "u1") }, []string{"group.user_membership.add User:u1 UserGroup:g1"}},
		{func() error { return f.SetStatus("u1", oktatest.Active) }, []string{
			"user.lifecycle.activate User:u1", "application.user_membership.add AppUser:0uau1 AppInstance:0oa1 User:u1",
		}},
		{func() error { return f.SetStatus("u1", oktatest.LockedOut) }, []string{"user.account.lock User:u1"}},
		{func() error { return f.SetStatus("u1", oktatest.Active) }, []string{"user.account.unlock_by_admin User:u1"}},
		{func() error { return f.UnassignGroup(app, "g1") }, []string{
			"group.application_assignment.remove UserGroup:g1 AppInstance:0oa1",
			"application.user_membership.remove AppUser:0uau0 AppInstance:0oa1 User:u0",
			"application.user_membership.remove AppUser:0uau1 AppInstance:0oa1 User:u1",
		}},
		{func() error { return f.AssignGroup(app, "g1") }, []string{
			"group.application_assignment.add UserGroup:g1 AppInstance:0oa1",
			"application.user_membership.add AppUser:0uau0 AppInstance:0oa1 User:u0",
			"application.user_membership.add AppUser:0uau1 AppInstance:0oa1 User:u1",
		}},
		{func() error { return f.DeleteUser("u1") }, []string{
			"user.lifecycle.delete.initiated User:u1",
			"application.user_membership.remove AppUser:0uau1 AppInstance:0oa1 User:u1",
			"user.lifecycle.delete.completed User:u1",
		}},
		{func() error { return f.DeleteGroup("g1") }, []string{
			"group.lifecycle.delete UserGroup:g1", "application.user_membership.remove AppUser:0uau0 AppInstance:0oa1 User:u0",
		}},
	} {
		*at = at.Add(time.Second)
		since := at.Format(time.RFC3339)
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got, _ := f.events("since", since); !slices.Equal(got, step.want) {
			t.Errorf("the log tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(step.want, "\n"))
		}
	}
}

// TestPollingAndBounded: what distinguishes the two kinds of request
// (reference/system-log-query).
func TestPollingAndBounded(t *testing.T) {
	t.Parallel()
	f, at := logged(t)
	f.Configure(func(o *oktatest.Options) { o.LogLag, o.LogPage = 3*time.Minute, 2 })
	began := at.Format(time.RFC3339)
	for i := range 4 { // the second and the fourth are kept late
		*at = at.Add(time.Second)
		if err := f.UpdateGroup("g2", map[string]any{"name": fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	*at = at.Add(time.Second)
	now, next := f.events("since", began, "sortOrder", "ASCENDING")
	if len(now) != 2 || next == "" {
		t.Fatalf("%v, next %q", now, next)
	}
	empty, next := f.events(next)
	if len(empty) != 0 || next == "" {
		t.Fatalf("%v, next %q: an empty polling page links on", empty, next)
	}
	*at = at.Add(3 * time.Minute)
	late, _ := f.events(next)
	if len(late) != 2 {
		t.Errorf("the link that was kept leads to %v, want the two that came late", late)
	}
	count := func(query ...string) int {
		n := 0
		for types, next := f.events(query...); ; types, next = f.events(next) {
			n += len(types)
			if next == "" {
				return n
			}
		}
	}
	until := at.Add(-2 * time.Minute).Format(time.RFC3339)
	if n := count("since", began, "until", until); n != 4 {
		t.Errorf("a bounded request by the time of publishing finds %d, want 4, and ends", n)
	}
	if n := count("since", until, "until", at.Format(time.RFC3339)); n != 0 {
		t.Errorf("%d entries were published since, want none", n)
	}
	if types, _ := f.events("since", until, "sortOrder", "ASCENDING"); len(types) != 2 {
		t.Errorf("%v were kept since, want two", types)
	}
	f.Configure(func(o *oktatest.Options) { o.LogLag, o.LogHidden = 0, time.Hour })
	if n := count("since", began, "until", until); n != 2 {
		t.Errorf("%d entries can be seen, want 2", n)
	}
	if n := count("sortOrder", "DESCENDING", "limit", "1"); n != 2 {
		t.Errorf("backwards, %d entries can be seen, want 2", n)
	}
}

func TestLogQueries(t *testing.T) {
	t.Parallel()
	f, at := logged(t)
	for _, err := range []error{
		f.AddMember("g1", "u1"), f.UpdateGroup("g1", map[string]any{"name": "A"}), f.UpdateUser("u0", map[string]any{"title": "B"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for filter, want := range map[string]int{
		`eventType eq "group.profile.update"`:                                      1,
		`eventType sw "group."`:                                                    2,
		`target.id eq "u1"`:                                                        2,
		`target.id eq "u1" and target.id eq "g1"`:                                  1,
		`eventType sw "user." or (target.id eq "0oa1")`:                            2,
		`target.id eq "0oa1" and eventType sw "group."`:                            0,
		`eventType co "membership" and (target.id eq "g1" or target.id eq "0oa1")`: 2,
	} {
		if got, _ := f.events("filter", filter); len(got) != want {
			t.Errorf("%s finds %v, want %d", filter, got, want)
		}
	}
	for query, code := range map[string]string{
		"filter=published+gt+%222026-01-01T00:00:00Z%22": "E0000031", "since=yesterday": "E0000001", "until=x": "E0000001",
		"limit=1001": "E0000001", "after=x": "E0000001", "since=2025-08-01T00:00:00Z": "E0000053",
	} {
		if status, _, body := f.call(http.MethodGet, "/api/v1/logs?"+query, ""); status != http.StatusBadRequest || !strings.Contains(body, code) {
			t.Errorf("%s: %d %s, want 400 %s", query, status, body, code)
		}
	}
	if got, _ := f.events("limit", "0"); len(got) != 0 {
		t.Errorf("no entries were asked for: %v", got)
	}
	*at = at.Add(91 * 24 * time.Hour)
	if got, _ := f.events("since", at.Add(-100*24*time.Hour).Format(time.RFC3339)); len(got) != 0 {
		t.Errorf("Okta keeps its log ninety days: %v", got)
	}
}

func TestListsThatLag(t *testing.T) {
	t.Parallel()
	f, at := logged(t)
	f.Configure(func(o *oktatest.Options) { o.ListLag = time.Minute })
	if err := f.UpdateUser("u0", map[string]any{"title": "B"}); err != nil {
		t.Fatal(err)
	}
	if err := f.AddMember("g1", "u1"); err != nil {
		t.Fatal(err)
	}
	since := url.QueryEscape(`"` + at.Add(-time.Hour).Format(time.RFC3339) + `"`)
	users, groups := "/api/v1/users?filter=lastUpdated+gt+"+since, "/api/v1/groups?filter=lastMembershipUpdated+gt+"+since
	for _, want := range []int{0, 1} {
		if u, g := f.ids(users), f.ids(groups); len(u) != want || len(g) != want {
			t.Errorf("%v and %v are found, want %d each", u, g, want)
		}
		*at = at.Add(2 * time.Minute)
	}
}
