package sailpoint

import (
	"net/url"
	"strings"

	"github.com/scimsync/scimsync/connectors/internal/rest"
)

// call is one call of the API, whose path moves between versions
// (developer.sailpoint.com, "API Versioning Strategy").
type call struct {
	key      string // below paths in the settings
	path     string // below the prefix
	example  string // its path in the newest form
	override func(Paths) string
}

func listSources() call {
	return call{"sources", "/sources", "/sources/v1", func(p Paths) string { return p.Sources }}
}

func listEntitlements() call {
	return call{"entitlements", "/entitlements", "/entitlements/v1", func(p Paths) string { return p.Entitlements }}
}

func listAccounts() call {
	return call{"accounts", "/accounts", "/accounts/v1", func(p Paths) string { return p.Accounts }}
}

func loadAccounts() call {
	return call{"load_accounts", "/sources/{id}/load-accounts", "/sources/v1/{id}/load-accounts", func(p Paths) string { return p.LoadAccounts }}
}

func aggregationStatus() call {
	return call{"aggregation_status", "/account-aggregations/{id}/status", "/account-aggregations/v1/{id}/status", func(p Paths) string { return p.AggregationStatus }}
}

func listAccessProfiles() call {
	return call{"access_profiles", "/access-profiles", "/access-profiles/v1", func(p Paths) string { return p.AccessProfiles }}
}

func calls() []call {
	return []call{listSources(), listEntitlements(), listAccounts(), loadAccounts(), aggregationStatus(), listAccessProfiles()}
}

// address returns where a call goes, with id in the place of {id}, or behind the
// path where it has none; an empty id is left out there.
func (s *Source) address(c call, id string) *url.URL {
	path := c.override(s.settings.Paths)
	if path == "" {
		path = c.path
		if api := s.settings.api(); api != "" {
			path = "/" + api + path
		}
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	placed := false
	for i, segment := range segments {
		if strings.Contains(segment, "{id}") {
			segments[i], placed = strings.ReplaceAll(segment, "{id}", id), true
		}
	}
	if !placed && id != "" {
		segments = append(segments, id)
	}
	return rest.JoinPath(s.base, segments...)
}
