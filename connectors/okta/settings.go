package okta

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// Settings are the keys of a source of type okta.
type Settings struct {
	// URL is the address of the org, without a path: https://acme.okta.com.
	URL string `yaml:"url" json:"url" jsonschema:"required,description=Address of the org without a path such as https://acme.okta.com"`
	// Token is an API token (SSWS). Exactly one of Token and PrivateKey.
	Token connectors.Secret `yaml:"token,omitempty" json:"token,omitzero" jsonschema:"description=API token; give either token or private_key"`
	// PrivateKey is the credential of a service app (OAuth 2.0,
	// private_key_jwt).
	PrivateKey *PrivateKey `yaml:"private_key,omitempty" json:"private_key,omitempty" jsonschema:"description=Key of a service app; give either token or private_key"`
	// App restricts the read to what is assigned to this app id.
	App string `yaml:"app,omitempty" json:"app,omitempty" jsonschema:"description=Read only users and groups assigned to this app id"`
	// SSOApp is compared with App by audit.
	SSOApp string            `yaml:"sso_app,omitempty" json:"sso_app,omitempty" jsonschema:"description=Id of the SAML or OIDC app whose assignments should agree (audit)"`
	Expiry connectors.Expiry `yaml:"expiry,omitempty" json:"expiry,omitzero"`
	HTTP   connectors.HTTP   `yaml:"http,omitempty" json:"http,omitzero"`
	Limits Limits            `yaml:"limits,omitempty" json:"limits,omitzero"`
}

// PrivateKey is the credential of a service app.
type PrivateKey struct {
	ClientID string            `yaml:"client_id" json:"client_id" jsonschema:"required"`
	KeyID    string            `yaml:"key_id" json:"key_id" jsonschema:"required,description=kid of the public key registered with the app"`
	Key      connectors.Secret `yaml:"key" json:"key" jsonschema:"required,description=RSA private key as PEM (PKCS#1 or PKCS#8)"`
	// Scopes default to okta.users.read, okta.groups.read and okta.apps.read.
	// Delta reads take okta.logs.read as well.
	Scopes []string `yaml:"scopes,omitempty" json:"scopes,omitempty"`
}

// Limits bound the pace and size of requests. Zero means: learn, or Okta's own
// recommendation.
type Limits struct {
	RequestsPerSecond float64 `yaml:"requests_per_second,omitempty" json:"requests_per_second,omitempty"`
	// Concurrency is also how many groups are read at a time; default 8.
	Concurrency int `yaml:"concurrency,omitempty" json:"concurrency,omitempty"`
	// PageSize is at most 200; default 200, and 500 for the users of an app.
	PageSize int `yaml:"page_size,omitempty" json:"page_size,omitempty"`
}

// The page sizes Okta recommends or allows (management API, 2026.06: users and
// groups 200, users of an app 1 to 500, groups of an app 20 to 200).
const (
	maxPage         = 200
	maxAppUserPage  = 500
	minAppGroupPage = 20
)

const readsAtOnce = 8

var _ connectors.Validator = (*Settings)(nil)

// objectID is the form of Okta's ids; longer than they are today.
var objectID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Validate returns every mistake in the settings. Nothing is read or sent.
func (s *Settings) Validate() []connectors.SettingError {
	var mistakes []connectors.SettingError
	add := func(key, format string, args ...any) {
		mistakes = append(mistakes, connectors.SettingError{Key: key, Problem: fmt.Sprintf(format, args...)})
	}
	later := func(key, problem string) {
		mistakes = append(mistakes, connectors.SettingError{Key: key, Problem: problem, Unavailable: true})
	}
	if problem := orgProblem(s.URL); problem != "" {
		add("url", "%s", problem)
	}
	switch {
	case s.Token.IsZero() && s.PrivateKey == nil:
		add("token", "missing: give token: {env: NAME} or private_key: {client_id, key_id, key}")
	case !s.Token.IsZero() && s.PrivateKey != nil:
		add("private_key", "give either token or private_key, not both")
	}
	if !s.Token.IsZero() {
		if err := s.Token.Validate(); err != nil {
			add("token", "%v", err)
		}
	}
	if s.PrivateKey != nil {
		mistakes = append(mistakes, s.PrivateKey.validate()...)
	}
	if s.App != "" && !objectID.MatchString(s.App) {
		add("app", "%q is not an app id: it is the part after /app/…/instance/ in the address of the app in the admin console, such as 0oa1example", s.App)
	}
	if s.SSOApp != "" {
		later("sso_app", "is not available yet in this release: remove the key")
	}
	mistakes = append(mistakes, s.Expiry.Validate("expiry")...)
	if s.Limits.RequestsPerSecond < 0 {
		add("limits.requests_per_second", "cannot be negative; 0 learns the pace")
	}
	if s.Limits.Concurrency < 0 {
		add("limits.concurrency", "cannot be negative; 0 learns it")
	}
	if s.Limits.PageSize < 0 || s.Limits.PageSize > maxPage {
		add("limits.page_size", "%d is out of range: Okta answers 1 to %d users or groups at a time", s.Limits.PageSize, maxPage)
	}
	return mistakes
}

func (k *PrivateKey) validate() []connectors.SettingError {
	var mistakes []connectors.SettingError
	add := func(key, problem string) {
		mistakes = append(mistakes, connectors.SettingError{Key: "private_key." + key, Problem: problem})
	}
	if strings.TrimSpace(k.ClientID) == "" {
		add("client_id", "missing: the client id of the service app")
	}
	if strings.TrimSpace(k.KeyID) == "" {
		add("key_id", "missing: the kid of the public key, as the admin console shows it")
	}
	if err := k.Key.Validate(); err != nil {
		add("key", err.Error())
	}
	for _, scope := range k.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \t\r\n,") {
			add("scopes", fmt.Sprintf("%q is not a scope: list one scope per item, such as okta.users.read", scope))
		}
	}
	return mistakes
}

// orgProblem says what is wrong with the address of an org, and how to mend it.
func orgProblem(text string) string {
	if text == "" {
		return "missing: the address of your org, such as https://acme.okta.com"
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return "is not an address: write it like https://acme.okta.com"
	}
	// The text is not repeated before this point: it may hold a password.
	if u.User != nil {
		return "must not hold a user name or password: the credential goes into token or private_key"
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Sprintf("is the address of the org alone, without a path or query: %s://%s", u.Scheme, u.Host)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	case u.Scheme == "http":
		return fmt.Sprintf("plain http would show the credential to the network: write https://%s", u.Host)
	default:
		return fmt.Sprintf("the scheme %q is unknown: write https://%s", u.Scheme, u.Host)
	}
	label, domain, _ := strings.Cut(strings.ToLower(u.Hostname()), ".")
	if org, admin := strings.CutSuffix(label, "-admin"); admin && strings.HasPrefix(domain, "okta") {
		return fmt.Sprintf("is the address of the admin console: the org itself is https://%s.%s", org, domain)
	}
	return ""
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
