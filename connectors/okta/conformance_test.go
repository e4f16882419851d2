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
	const later = "this release reads Okta in full every time"
	connectortest.SourceSuite{
		Type: okta.Type(),
		Open: openConformance,
		Wire: &connectortest.Wire{
			Users:  oktatest.Path("/api/v1/users"),
			Groups: oktatest.Path("/api/v1/groups"),
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
		Skip: map[string]string{
			"nested groups":     "Okta groups hold users only",
			"delta equals full": later,
			"expired cursor":    later,
		},
	}.Run(t)
}

func answered(status int, code, summary string) connectortest.Effect {
	return connectortest.Status(status, http.Header{"Content-Type": {"application/json"}},
		fmt.Sprintf(`{"errorCode":%q,"errorSummary":%q,"errorLink":%q,"errorId":"oae1","errorCauses":[]}`, code, summary, code))
}

func openConformance(t *testing.T, o connectortest.SourceOptions) connectortest.SourceUnderTest {
	t.Helper()
	server, err := oktatest.New(worldOf(o.World))
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(o.Faults.Wrap(server))
	t.Cleanup(web.Close)
	settings := okta.Settings{URL: web.URL, Token: secret(t, oktatest.DefaultToken), Limits: okta.Limits{PageSize: o.PageSize}}
	held := o.World
	return connectortest.SourceUnderTest{
		Source: open(t, settings),
		Edit: func(w connectortest.World) {
			edit(t, server, held, w)
			held = w.Clone()
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
func edit(t *testing.T, s *oktatest.Server, from, to connectortest.World) {
	t.Helper()
	do := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, u := range to.Users {
		if _, ok := from.User(u.ID); !ok {
			_, err := s.CreateUser(userOf(u))
			do(err)
		}
	}
	for _, g := range to.Groups {
		before, _ := from.Group(g.ID)
		for _, id := range before.Members {
			do(s.RemoveMember(g.ID, id))
		}
		for _, id := range g.Members {
			do(s.AddMember(g.ID, id))
		}
	}
}

var _ connectors.Source = (*okta.Source)(nil)
