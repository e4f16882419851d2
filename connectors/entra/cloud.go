package entra

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
)

// Cloud is one of Microsoft's clouds. Tenants of one are unknown in the others.
type Cloud string

// The clouds (learn.microsoft.com/graph/deployments). Usgov is GCC High; for the
// DoD set url to https://dod-graph.microsoft.us.
const (
	Public Cloud = "public"
	USGov  Cloud = "usgov"
	China  Cloud = "china"
)

// addresses are where a cloud answers.
type addresses struct{ graph, authority string }

func clouds() map[Cloud]addresses {
	return map[Cloud]addresses{
		Public: {"https://graph.microsoft.com", "https://login.microsoftonline.com"},
		USGov:  {"https://graph.microsoft.us", "https://login.microsoftonline.us"},
		China:  {"https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn"},
	}
}

// endpoints are the addresses of one source, which belong together: a token is
// good for the Graph it names in its scope, and for no other.
type endpoints struct {
	graph     *url.URL // with the version
	authority *url.URL
	scope     string
}

func (s *Settings) endpoints() (endpoints, error) {
	at, ok := clouds()[cmp.Or(s.Cloud, Public)]
	if !ok {
		return endpoints{}, fmt.Errorf("cloud %q is unknown", s.Cloud)
	}
	origin := func(own, usual string) (*url.URL, error) {
		u, err := url.Parse(cmp.Or(own, usual))
		if err != nil {
			return nil, err
		}
		return &url.URL{Scheme: strings.ToLower(u.Scheme), Host: u.Host}, nil
	}
	graph, err := origin(s.URL, at.graph)
	if err != nil {
		return endpoints{}, fmt.Errorf("url: %w", err)
	}
	authority, err := origin(s.Authority, at.authority)
	if err != nil {
		return endpoints{}, fmt.Errorf("authority: %w", err)
	}
	scope := graph.String() + "/.default"
	graph.Path = "/v1.0"
	return endpoints{graph: graph, authority: authority, scope: scope}, nil
}
