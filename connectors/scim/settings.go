package scim

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// Settings are the keys of a target of type scim.
type Settings struct {
	URL     string            `yaml:"url" json:"url" jsonschema:"description=Base URL of the SCIM service; the slash at its end does not matter"`
	Auth    Auth              `yaml:"auth" json:"auth" jsonschema:"description=Exactly one of bearer basic and oauth2"`
	Expiry  connectors.Expiry `yaml:"expiry,omitempty" json:"expiry,omitzero" jsonschema:"description=When the credential ends and when to warn"`
	Profile string            `yaml:"profile,omitempty" json:"profile,omitempty" jsonschema:"description=What is known about the product,default=generic"`
	Dialect string            `yaml:"dialect,omitempty" json:"dialect,omitempty" jsonschema:"description=Request shapes the target was told to expect; default: the profile's"`
	Limits  Limits            `yaml:"limits,omitempty" json:"limits,omitzero" jsonschema:"description=Bounds of pace and size; 0 learns"`
	HTTP    connectors.HTTP   `yaml:"http,omitempty" json:"http,omitzero" jsonschema:"description=Transport settings"`
}

// Auth is the credential: exactly one of its fields is set.
type Auth struct {
	Bearer connectors.Secret `yaml:"bearer,omitempty" json:"bearer,omitzero" jsonschema:"description=Bearer token"`
	Basic  *Basic            `yaml:"basic,omitempty" json:"basic,omitempty" jsonschema:"description=HTTP basic authentication"`
	OAuth2 *OAuth2           `yaml:"oauth2,omitempty" json:"oauth2,omitempty" jsonschema:"description=OAuth 2.0 client credentials"`
}

// Basic is HTTP basic authentication (RFC 7617).
type Basic struct {
	Username string            `yaml:"username" json:"username"`
	Password connectors.Secret `yaml:"password" json:"password"`
}

// OAuth2 is the client credentials grant (RFC 6749, section 4.4).
type OAuth2 struct {
	TokenURL     string            `yaml:"token_url" json:"token_url"`
	ClientID     string            `yaml:"client_id" json:"client_id"`
	ClientSecret connectors.Secret `yaml:"client_secret" json:"client_secret"`
	Scopes       []string          `yaml:"scopes,omitempty" json:"scopes,omitempty"`
}

// Limits are the user's bounds; 0 takes the profile's or learns.
type Limits struct {
	RequestsPerSecond float64 `yaml:"requests_per_second,omitempty" json:"requests_per_second,omitempty" jsonschema:"minimum=0"`
	Concurrency       int     `yaml:"concurrency,omitempty" json:"concurrency,omitempty" jsonschema:"minimum=0,maximum=64"`
	MembersPerPatch   int     `yaml:"members_per_patch,omitempty" json:"members_per_patch,omitempty" jsonschema:"minimum=0,maximum=10000"`
	PageSize          int     `yaml:"page_size,omitempty" json:"page_size,omitempty" jsonschema:"minimum=0,maximum=10000"`
}

// The bounds of Limits: a typing slip must not become one enormous request.
const (
	maxConcurrency = 64
	maxMembers     = 10_000
	maxPage        = 10_000
)

// mistakes collects the problems of one validation.
type mistakes []connectors.SettingError

func (m *mistakes) add(key, format string, args ...any) {
	*m = append(*m, connectors.SettingError{Key: key, Problem: fmt.Sprintf(format, args...)})
}

// Validate returns every mistake. It reads no secret and opens no connection.
func (s *Settings) Validate() []connectors.SettingError {
	var m mistakes
	checkURL(&m, "url", s.URL, "https://acme.example.com/scim/v2")
	s.Auth.validate(&m)
	m = append(m, s.Expiry.Validate("expiry")...)
	if s.Profile != "" && !known(profileNames(), s.Profile) {
		m.add("profile", "%s", unknownName("profile", s.Profile, profileNames()))
	}
	if s.Dialect != "" && !known(dialectNames(), s.Dialect) {
		m.add("dialect", "%s", unknownName("dialect", s.Dialect, dialectNames()))
	}
	s.Limits.validate(&m)
	if s.HTTP.Timeout < 0 {
		m.add("http.timeout", "is negative; write a duration such as 60s")
	}
	for name := range s.HTTP.Headers {
		if strings.EqualFold(name, "Authorization") {
			m.add("http.headers", "may not set Authorization; use auth")
		}
	}
	return m
}

func (l Limits) validate(m *mistakes) {
	if l.RequestsPerSecond < 0 {
		m.add("limits.requests_per_second", "is negative; 0 learns the rate")
	}
	for _, bound := range []struct {
		key        string
		value, max int
	}{
		{"concurrency", l.Concurrency, maxConcurrency},
		{"members_per_patch", l.MembersPerPatch, maxMembers},
		{"page_size", l.PageSize, maxPage},
	} {
		if bound.value < 0 || bound.value > bound.max {
			m.add("limits."+bound.key, "is %d; write 1 to %d, or 0 to learn it", bound.value, bound.max)
		}
	}
}

func (a Auth) validate(m *mistakes) {
	var given []string
	if !a.Bearer.IsZero() {
		given = append(given, "bearer")
		checkSecret(m, "auth.bearer", a.Bearer)
	}
	if a.Basic != nil {
		given = append(given, "basic")
		switch {
		case a.Basic.Username == "":
			m.add("auth.basic.username", "is missing")
		case strings.ContainsRune(a.Basic.Username, ':'):
			m.add("auth.basic.username", "holds a colon, which basic authentication cannot carry (RFC 7617, section 2)")
		}
		checkSecret(m, "auth.basic.password", a.Basic.Password)
	}
	if a.OAuth2 != nil {
		given = append(given, "oauth2")
		checkURL(m, "auth.oauth2.token_url", a.OAuth2.TokenURL, "https://acme.example.com/oauth2/token")
		if a.OAuth2.ClientID == "" {
			m.add("auth.oauth2.client_id", "is missing")
		}
		checkSecret(m, "auth.oauth2.client_secret", a.OAuth2.ClientSecret)
	}
	switch len(given) {
	case 1:
	case 0:
		m.add("auth", "is missing; give one of bearer: {env: NAME}, basic: {username, password} or oauth2: {token_url, client_id, client_secret}")
	default:
		m.add("auth", "has %s; give exactly one", strings.Join(given, " and "))
	}
}

func checkSecret(m *mistakes, key string, s connectors.Secret) {
	if err := s.Validate(); err != nil {
		m.add(key, "%s", err)
	}
}

// checkURL refuses what could send a credential elsewhere or in the clear. The
// address itself is not repeated: it may hold a password.
func checkURL(m *mistakes, key, text, example string) {
	if text == "" {
		m.add(key, "is missing; write the full address, such as %s", example)
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		m.add(key, "is not a full URL; write it like %s", example)
		return
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	case u.Scheme == "http":
		m.add(key, "is plain http; use https (http is accepted on loopback only)")
	default:
		m.add(key, "has the scheme %q; use https", u.Scheme)
	}
	if u.User != nil {
		m.add(key, "holds a user name or password; put the credential under auth")
	}
	if u.RawQuery != "" || u.ForceQuery {
		m.add(key, "holds a query (?…); leave it out")
	}
	if u.Fragment != "" {
		m.add(key, "holds a fragment (#…); leave it out")
	}
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// address returns the base URL without the slash at its end: the form a ledger
// is bound to, so that adding a slash does not look like another target.
func (s *Settings) address() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/")
}
