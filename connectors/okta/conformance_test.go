package okta_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	suite("", "/api/v1/users", "/api/v1/groups").Run(t)
}

// TestConformanceOfAnApp: the same org, with everybody and every group assigned
// to an app.
func TestConformanceOfAnApp(t *testing.T) {
	t.Parallel()
	s := suite(conformanceApp, "/api/v1/apps/*/users", "/api/v1/apps/*/groups")
	s.PageSize = 20 // the smallest of groups of an app
	s.Skip["throttled with Retry-After"] = "the transport is that of TestConformance, and it waits"
	s.Skip["delta equals full"] = "a group that is assigned or deleted calls for a full read; TestDeltaEqualsFull has the rest"
	s.Run(t)
}

const conformanceApp = "0oa1"

func suite(app, users, groups string) connectortest.SourceSuite {
	return connectortest.SourceSuite{
		Type: okta.Type(),
		Open: func(t *testing.T, o connectortest.SourceOptions) connectortest.SourceUnderTest {
			return openConformance(t, o, app)
		},
		Wire: &connectortest.Wire{
			Users:  oktatest.Path(users),
			Groups: oktatest.Path(groups),
			Members: func(r *http.Request, id string) bool {
				return r.URL.Path == "/api/v1/groups/"+id+"/users"
			},
			Throttle: func(after time.Duration) connectortest.Effect {
				h := http.Header{"Content-Type": {"application/json"}}
				if after > 0 {
					h.Set("X-Rate-Limit-Limit", "600")
					h.Set("X-Rate-Limit-Remaining", "0")
					h.Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Add(after).Unix(), 10))
				}
				return connectortest.Status(http.StatusTooManyRequests, h, `{"errorCode":"E0000047","errorSummary":"API call exceeded rate limit due to too many requests."}`)
			},
			Unauthorized: answered(http.StatusUnauthorized, "E0000011", "Invalid token provided"),
			Forbidden:    answered(http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action"),
		},
		User: func(r identity.Record) connectortest.User {
			profile, _ := r.Fields["profile"].(map[string]any)
			text := func(name string) string { s, _ := profile[name].(string); return s }
			return connectortest.User{
				ID: r.Ref.ID, UserName: text("login"), Given: text("firstName"), Family: text("lastName"),
				Email: text("email"), Active: r.Fields["status"] == oktatest.Active,
			}
		},
		Group: func(r identity.Record) connectortest.Group {
			return connectortest.Group{ID: r.Ref.ID, Name: fmt.Sprint(r.Fields["name"])}
		},
		Skip: map[string]string{"nested groups": "Okta groups hold users only"},
	}
}

func answered(status int, code, summary string) connectortest.Effect {
	return connectortest.Status(status, http.Header{"Content-Type": {"application/json"}},
		fmt.Sprintf(`{"errorCode":%q,"errorSummary":%q,"errorLink":%q,"errorId":"oae1","errorCauses":[]}`, code, summary, code))
}

func openConformance(t *testing.T, o connectortest.SourceOptions, app string) connectortest.SourceUnderTest {
	t.Helper()
	w := worldOf(o.World)
	if app != "" {
		a := oktatest.App{ID: app, Label: "Catalog"}
		for _, u := range w.Users {
			a.Users = append(a.Users, oktatest.AppUser{ID: u.ID})
		}
		for _, g := range w.Groups {
			a.Groups = append(a.Groups, g.ID)
		}
		w.Apps = []oktatest.App{a}
	}
	server, err := oktatest.New(w)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(o.Faults.Wrap(server))
	t.Cleanup(web.Close)
	settings := okta.Settings{URL: web.URL, Token: secret(t, oktatest.DefaultToken), App: app, Limits: okta.Limits{PageSize: o.PageSize}}
	held := o.World
	return connectortest.SourceUnderTest{
		Source: open(t, settings),
		Edit: func(w connectortest.World) {
			edit(t, server, held, w, app)
			held = w.Clone()
		},
		ExpireCursors: func() {
			// As Okta answers once the log does not reach back any more.
			server.Inject(oktatest.Fault{ID: "too old", Match: oktatest.Path("/api/v1/logs"), MinFires: 1, Effect: oktatest.Effect{
				Status: http.StatusBadRequest, Code: "E0000053", Summary: "Invalid parameter: The since parameter is over 180 days prior to the current day.",
			}})
		},
	}
}

func worldOf(w connectortest.World) oktatest.World {
	var out oktatest.World
	for _, u := range w.Users {
		out.Users = append(out.Users, userOf(u))
	}
	for _, g := range w.Groups {
		out.Groups = append(out.Groups, oktatest.Team(g.ID, g.Name, g.Members...))
	}
	return out
}

func userOf(u connectortest.User) oktatest.User {
	out := oktatest.Person(u.ID, u.UserName, u.Given, u.Family)
	out.Profile = oktatest.Profile(map[string]any{
		"login": u.UserName, "email": u.Email, "firstName": u.Given, "lastName": u.Family,
	})
	if !u.Active {
		// Inactive people alternate between the two ways of being out.
		out.Status = oktatest.Deprovisioned
		if strings.HasSuffix(u.ID, "1") {
			out.Status = oktatest.Suspended
		}
	}
	return out
}

// edit makes the org hold another world, as an administrator would.
func edit(t *testing.T, s *oktatest.Server, from, to connectortest.World, app string) {
	t.Helper()
	do := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, u := range to.Users {
		before, ok := from.User(u.ID)
		made := userOf(u)
		if app != "" && made.Status == oktatest.Deprovisioned {
			made.Status = oktatest.Suspended // deactivation would take the app away
		}
		switch {
		case !ok:
			_, err := s.CreateUser(made)
			do(err)
			if app != "" {
				do(s.AssignUser(app, oktatest.AppUser{ID: u.ID}))
			}
		case before != u:
			do(s.UpdateUser(u.ID, map[string]any{"login": u.UserName, "email": u.Email, "firstName": u.Given, "lastName": u.Family}))
			if before.Active != u.Active {
				do(s.SetStatus(u.ID, made.Status))
			}
		}
	}
	for _, g := range to.Groups {
		before, ok := from.Group(g.ID)
		switch {
		case !ok:
			_, err := s.CreateGroup(oktatest.Team(g.ID, g.Name))
			do(err)
			if app != "" {
				do(s.AssignGroup(app, g.ID))
			}
		case before.Name != g.Name:
			do(s.UpdateGroup(g.ID, map[string]any{"name": g.Name}))
		}
		for _, id := range before.Members {
			do(s.RemoveMember(g.ID, id))
		}
		for _, id := range g.Members {
			do(s.AddMember(g.ID, id))
		}
	}
	for _, u := range from.Users {
		if _, stays := to.User(u.ID); !stays {
			do(s.DeleteUser(u.ID))
		}
	}
	for _, g := range from.Groups {
		if _, stays := to.Group(g.ID); !stays {
			do(s.DeleteGroup(g.ID))
		}
	}
}

var _ connectors.Source = (*okta.Source)(nil)
