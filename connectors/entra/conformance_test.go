package entra_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/entra"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/identity"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	const noVersion = "Graph gives groups no version, and tells members with the groups"
	connectortest.SourceSuite{
		Type: entra.Type(),
		Open: openConformance,
		Wire: &connectortest.Wire{
			Users:        entratest.Path("/users/delta"),
			Groups:       entratest.Path("/groups/delta"),
			Throttle:     throttle,
			Unauthorized: answered(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token has expired or is not yet valid."),
			Forbidden:    answered(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
		},
		User: func(r identity.Record) connectortest.User {
			text := func(name string) string { s, _ := r.Fields[name].(string); return s }
			return connectortest.User{
				ID: r.Ref.ID, UserName: text("userPrincipalName"), Given: text("givenName"), Family: text("surname"),
				Email: text("mail"), Active: r.Fields["accountEnabled"] == true,
			}
		},
		Group: func(r identity.Record) connectortest.Group {
			return connectortest.Group{ID: r.Ref.ID, Name: fmt.Sprint(r.Fields["displayName"])}
		},
		Skip: map[string]string{
			"known links":         noVersion,
			"known links changed": noVersion,
			"unreadable group":    "members come with the groups: there is no request that could be refused for one group",
		},
	}.Run(t)
}

func throttle(after time.Duration) connectortest.Effect {
	h := http.Header{"Content-Type": {"application/json"}}
	if after > 0 {
		h.Set("Retry-After", fmt.Sprint(int(after.Seconds())))
	}
	return connectortest.Status(http.StatusTooManyRequests, h, `{"error":{"code":"TooManyRequests","message":"Too many requests."}}`)
}

func answered(status int, code, message string) connectortest.Effect {
	return connectortest.Status(status, http.Header{"Content-Type": {"application/json"}},
		fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innerError":{"request-id":"1"}}}`, code, message))
}

func openConformance(t *testing.T, o connectortest.SourceOptions) connectortest.SourceUnderTest {
	t.Helper()
	server, err := entratest.New(worldOf(o.World))
	if err != nil {
		t.Fatal(err)
	}
	server.Configure(func(options *entratest.Options) {
		options.PageSize, options.MembersPerPage = o.PageSize, o.PageSize
		options.Interleave, options.Duplicates, options.EmptyPages = true, true, false
		options.Replay = 2
	})
	web := httptest.NewServer(o.Faults.Wrap(server))
	t.Cleanup(web.Close)
	held := o.World
	return connectortest.SourceUnderTest{
		Source: open(t, settings(t, web.URL, o.PageSize)),
		Edit: func(w connectortest.World) {
			edit(t, server, held, w)
			held = w.Clone()
		},
		ExpireCursors: server.ExpireTokens,
	}
}

func worldOf(w connectortest.World) entratest.World {
	var out entratest.World
	for _, u := range w.Users {
		out.Users = append(out.Users, userOf(u))
	}
	for _, g := range w.Groups {
		out.Groups = append(out.Groups, entratest.Team(g.ID, g.Name, slices.Concat(g.Members, g.Nested)...))
	}
	return out
}

func userOf(u connectortest.User) entratest.User {
	out := entratest.Person(u.ID, u.UserName, u.Given, u.Family)
	out.Properties["mail"], out.Properties["accountEnabled"] = u.Email, u.Active
	return out
}

// edit makes the tenant hold another world, as administrators would.
func edit(t *testing.T, s *entratest.Server, from, to connectortest.World) {
	t.Helper()
	do := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	for _, u := range to.Users {
		before, ok := from.User(u.ID)
		switch {
		case !ok:
			_, err := s.CreateUser(userOf(u))
			do(err)
		case before != u:
			do(s.UpdateUser(u.ID, userOf(u).Properties))
		}
	}
	for _, u := range from.Users {
		if _, ok := to.User(u.ID); !ok {
			do(s.DeleteUser(u.ID))
		}
	}
	for _, g := range from.Groups {
		if _, ok := to.Group(g.ID); !ok {
			do(s.DeleteGroup(g.ID))
		}
	}
	for _, g := range to.Groups {
		before, ok := from.Group(g.ID)
		if !ok {
			_, err := s.CreateGroup(entratest.Team(g.ID, g.Name, g.Members...))
			do(err)
			continue
		}
		if before.Name != g.Name {
			do(s.UpdateGroup(g.ID, map[string]any{"displayName": g.Name}))
		}
		for _, id := range before.Members {
			if !slices.Contains(g.Members, id) {
				do(s.RemoveMember(g.ID, id))
			}
		}
		for _, id := range g.Members {
			if !slices.Contains(before.Members, id) {
				do(s.AddMember(g.ID, id))
			}
		}
	}
}

var _ connectors.Source = (*entra.Source)(nil)
