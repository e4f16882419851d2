package sailpoint_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/sailpoint"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/identity"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	const (
		full      = "SailPoint has no list of changes: every read is a full one"
		unversion = "nothing of an entitlement moves when its members do, so a group has no version"
	)
	connectortest.SourceSuite{
		Type: sailpoint.Type(),
		Open: openConformance,
		Wire: &connectortest.Wire{
			Users:  sailpointtest.Path("/accounts"),
			Groups: sailpointtest.Path("/entitlements"),
			Throttle: func(after time.Duration) connectortest.Effect {
				h := http.Header{"Content-Type": {"application/json"}}
				if after > 0 {
					h.Set("Retry-After", strconv.Itoa(int(after.Seconds())))
				}
				return connectortest.Status(http.StatusTooManyRequests, h, failure("429.0 Too Many Requests", "Rate Limit Exceeded"))
			},
			Unauthorized: answered(http.StatusUnauthorized, `{"error":"JWT validation failed: JWT is expired"}`),
			Forbidden:    answered(http.StatusForbidden, failure("403 Forbidden", "not allowed")),
		},
		User: func(r identity.Record) connectortest.User {
			attributes, _ := r.Fields["attributes"].(map[string]any)
			text := func(name string) string { s, _ := attributes[name].(string); return s }
			return connectortest.User{
				ID: r.Ref.ID, UserName: fmt.Sprint(r.Fields["name"]), Given: text("givenName"), Family: text("sn"),
				Email: text("mail"), Active: r.Fields["disabled"] == false,
			}
		},
		Group: func(r identity.Record) connectortest.Group {
			return connectortest.Group{ID: r.Ref.ID, Name: fmt.Sprint(r.Fields["name"])}
		},
		Skip: map[string]string{
			"nested groups":       "an account holds entitlements, and an entitlement holds none",
			"known links":         unversion,
			"known links changed": unversion,
			"unreadable group":    "memberships come with the accounts: no request is for the members of one group",
			"delta equals full":   full,
			"expired cursor":      full,
		},
	}.Run(t)
}

func failure(code, text string) string {
	return fmt.Sprintf(`{"detailCode":%q,"trackingId":"t1","messages":[{"locale":"en-US","localeOrigin":"DEFAULT","text":%q}],"causes":[]}`, code, text)
}

func answered(status int, body string) connectortest.Effect {
	return connectortest.Status(status, http.Header{"Content-Type": {"application/json"}}, body)
}

func openConformance(t *testing.T, o connectortest.SourceOptions) connectortest.SourceUnderTest {
	t.Helper()
	server, err := sailpointtest.New(worldOf(o.World))
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(o.Faults.Wrap(server))
	t.Cleanup(web.Close)
	settings := settingsFor(t, web.URL)
	settings.Limits.PageSize = o.PageSize
	held := worldOf(o.World)
	return connectortest.SourceUnderTest{
		Source: open(t, settings),
		Edit: func(w connectortest.World) {
			next := worldOf(w)
			edit(t, server, held, next)
			held = next
		},
	}
}

// worldOf turns a world into a tenant. Memberships are spelled in ways that
// differ from the group's own, in turn.
func worldOf(w connectortest.World) sailpointtest.World {
	out := sailpointtest.World{Sources: []sailpointtest.Connection{sailpointtest.Directory(), {ID: "other", Name: "Other"}}}
	memberOf := map[string][]any{}
	for _, g := range w.Groups {
		dn := sailpointtest.DN(g.Name, "Groups")
		out.Entitlements = append(out.Entitlements, sailpointtest.Group(g.ID, g.Name, dn))
		for i, id := range g.Members {
			spelled := []string{dn, strings.ToUpper(dn), strings.ReplaceAll(dn, ",DC=", " , DC = ")}[i%3]
			memberOf[id] = append(memberOf[id], spelled)
		}
	}
	for _, u := range w.Users {
		a := sailpointtest.Person(u.ID, u.UserName, u.Given, u.Family)
		a.Attributes["mail"], a.Disabled = u.Email, !u.Active
		a.Attributes["memberOf"] = memberOf[u.ID]
		if len(memberOf[u.ID]) == 1 {
			a.Attributes["memberOf"] = memberOf[u.ID][0]
		}
		out.Accounts = append(out.Accounts, a)
	}
	// What is next to them in the tenant must not be read.
	stranger := sailpointtest.Person("stranger", "stranger@example.com", "Stran", "Ger")
	stranger.SourceID = "other"
	out.Accounts = append(out.Accounts, stranger)
	elsewhere := sailpointtest.Group("elsewhere", "Elsewhere", sailpointtest.DN("Elsewhere", "Groups"))
	elsewhere.SourceID = "other"
	right := sailpointtest.Group("right", "A right", "SeServiceLogonRight")
	right.Type, right.Attribute = "privilege", "privileges"
	out.Entitlements = append(out.Entitlements, elsewhere, right)
	return out
}

// edit makes the tenant hold another world.
func edit(t *testing.T, s *sailpointtest.Server, from, to sailpointtest.World) {
	t.Helper()
	do := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	left := map[string]bool{}
	for _, a := range from.Accounts {
		left[a.ID] = true
	}
	for _, a := range to.Accounts {
		delete(left, a.ID)
		do(s.PutAccount(a))
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		do(s.RemoveAccount(id))
	}
	for _, e := range to.Entitlements {
		do(s.PutEntitlement(e))
	}
}
