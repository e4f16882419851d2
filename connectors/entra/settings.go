package entra

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// Settings are the keys of a source of type entra.
type Settings struct {
	// Tenant is the directory (tenant) id or one of its domain names.
	Tenant     string     `yaml:"tenant" json:"tenant" jsonschema:"required,description=Directory (tenant) id or a verified domain name"`
	Credential Credential `yaml:"credential" json:"credential" jsonschema:"required"`
	// AssignedTo restricts the read to what is assigned to the enterprise
	// application with this application (client) id.
	AssignedTo string `yaml:"assigned_to,omitempty" json:"assigned_to,omitempty" jsonschema:"description=Read only users and groups assigned to the enterprise application with this appId"`
	// Nested also counts members of groups within the assigned groups, which
	// Entra's own provisioning does not.
	Nested bool `yaml:"nested,omitempty" json:"nested,omitempty" jsonschema:"description=With assigned_to: also members of groups within the assigned groups"`
	// Cloud sets Graph's address, the token authority and the scope together.
	Cloud Cloud `yaml:"cloud,omitempty" json:"cloud,omitempty" jsonschema:"enum=public,enum=usgov,enum=china,default=public"`
	// URL overrides the address of Graph, and with it the scope of the token.
	URL string `yaml:"url,omitempty" json:"url,omitempty" jsonschema:"description=Address of Microsoft Graph in place of the one of the cloud"`
	// Authority overrides the address tokens are fetched from.
	Authority string            `yaml:"authority,omitempty" json:"authority,omitempty" jsonschema:"description=Address of the token authority in place of the one of the cloud"`
	Expiry    connectors.Expiry `yaml:"expiry,omitempty" json:"expiry,omitzero"`
	HTTP      connectors.HTTP   `yaml:"http,omitempty" json:"http,omitzero"`
	Limits    Limits            `yaml:"limits,omitempty" json:"limits,omitzero"`
}

// Credential says who we are to Entra. Which keys are needed follows from Kind.
type Credential struct {
	Kind CredentialKind `yaml:"kind" json:"kind" jsonschema:"required,enum=client_secret,enum=client_certificate,enum=workload_identity,enum=managed_identity,enum=default,enum=static_token"`
	// ClientID is the application (client) id of the app registration; for
	// managed_identity that of a user-assigned identity, or nothing.
	ClientID string            `yaml:"client_id,omitempty" json:"client_id,omitempty" jsonschema:"description=Application (client) id"`
	Secret   connectors.Secret `yaml:"secret,omitempty" json:"secret,omitzero" jsonschema:"description=Of client_secret: the secret's value"`
	// Certificate holds certificate and private key in PEM or PKCS#12 form.
	Certificate connectors.Secret `yaml:"certificate,omitempty" json:"certificate,omitzero" jsonschema:"description=Of client_certificate: certificate and private key as PEM or PKCS#12 (PFX)"`
	Password    connectors.Secret `yaml:"password,omitempty" json:"password,omitzero" jsonschema:"description=Of client_certificate: the password of a PKCS#12 file"`
	// TokenFile is where workload_identity finds the federated token; default
	// $AZURE_FEDERATED_TOKEN_FILE.
	TokenFile string            `yaml:"token_file,omitempty" json:"token_file,omitempty" jsonschema:"description=Of workload_identity: file with the federated token"`
	Token     connectors.Secret `yaml:"token,omitempty" json:"token,omitzero" jsonschema:"description=Of static_token: an access token for Microsoft Graph"`
}

// CredentialKind is a way to get an access token.
type CredentialKind string

// The kinds of credentials.
const (
	ClientSecret      CredentialKind = "client_secret"
	ClientCertificate CredentialKind = "client_certificate"
	WorkloadIdentity  CredentialKind = "workload_identity"
	ManagedIdentity   CredentialKind = "managed_identity"
	DefaultChain      CredentialKind = "default"
	StaticToken       CredentialKind = "static_token"
)

// Limits bound the pace and size of requests. Zero means: learn, or Graph's
// maximum.
type Limits struct {
	RequestsPerSecond float64 `yaml:"requests_per_second,omitempty" json:"requests_per_second,omitempty"`
	// Concurrency is also how many objects are read at a time; default 8.
	Concurrency int `yaml:"concurrency,omitempty" json:"concurrency,omitempty"`
	// PageSize is at most 999, the default. Delta rounds have pages of
	// Graph's own size.
	PageSize int `yaml:"page_size,omitempty" json:"page_size,omitempty"`
}

const (
	maxPage     = 999
	readsAtOnce = 8
)

var _ connectors.Validator = (*Settings)(nil)

var (
	// objectID is the form of Entra's ids, and a little more.
	objectID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)
	appID    = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	tenantID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,254}$`)
)

// Validate returns every mistake in the settings. Nothing is read or sent.
func (s *Settings) Validate() []connectors.SettingError {
	var mistakes []connectors.SettingError
	add := func(key, format string, args ...any) {
		mistakes = append(mistakes, connectors.SettingError{Key: key, Problem: fmt.Sprintf(format, args...)})
	}
	switch {
	case s.Tenant == "":
		add("tenant", "missing: the directory (tenant) id, as the Overview page of Entra ID shows it")
	case !tenantID.MatchString(s.Tenant):
		add("tenant", "%q is not a tenant: give its id or one of its domain names, such as example.onmicrosoft.com", s.Tenant)
	case strings.EqualFold(s.Tenant, "common") || strings.EqualFold(s.Tenant, "organizations") || strings.EqualFold(s.Tenant, "consumers"):
		add("tenant", "%s is every tenant and none: an app without a user needs the id of one", s.Tenant)
	}
	mistakes = append(mistakes, s.Credential.validate()...)
	if s.AssignedTo != "" && !appID.MatchString(s.AssignedTo) {
		add("assigned_to", "%q is not an appId: it is the application id of the enterprise application, such as 11111111-2222-3333-4444-555555555555", s.AssignedTo)
	}
	if s.Nested && s.AssignedTo == "" {
		add("nested", "says how far the groups of assigned_to reach: set assigned_to, or use nested of the sync's groups")
	}
	if _, known := clouds()[cmp.Or(s.Cloud, Public)]; !known {
		add("cloud", "%q is unknown: public, usgov or china", s.Cloud)
	}
	if s.URL != "" {
		if problem := addressProblem(s.URL, "https://graph.microsoft.com"); problem != "" {
			add("url", "%s", problem)
		}
	}
	if s.Authority != "" {
		problem := addressProblem(s.Authority, "https://login.microsoftonline.com")
		if problem == "" && !strings.HasPrefix(strings.ToLower(s.Authority), "https:") {
			problem = "must be https, also on this machine: Microsoft's library fetches tokens from nowhere else"
		}
		if problem != "" {
			add("authority", "%s", problem)
		}
	}
	mistakes = append(mistakes, s.Expiry.Validate("expiry")...)
	if s.Limits.RequestsPerSecond < 0 {
		add("limits.requests_per_second", "cannot be negative; 0 learns the pace")
	}
	if s.Limits.Concurrency < 0 {
		add("limits.concurrency", "cannot be negative; 0 learns it")
	}
	if s.Limits.PageSize < 0 || s.Limits.PageSize > maxPage {
		add("limits.page_size", "%d is out of range: Graph answers 1 to %d objects at a time", s.Limits.PageSize, maxPage)
	}
	return mistakes
}

// needs says which keys a kind of credential takes: true needs, false may have.
func (k CredentialKind) needs() (map[string]bool, bool) {
	keys, ok := map[CredentialKind]map[string]bool{
		ClientSecret:      {"client_id": true, "secret": true},
		ClientCertificate: {"client_id": true, "certificate": true, "password": false},
		WorkloadIdentity:  {"client_id": false, "token_file": false},
		ManagedIdentity:   {"client_id": false},
		DefaultChain:      {},
		StaticToken:       {"token": true},
	}[k]
	return keys, ok
}

func (c *Credential) validate() []connectors.SettingError {
	var mistakes []connectors.SettingError
	add := func(key, format string, args ...any) {
		mistakes = append(mistakes, connectors.SettingError{Key: "credential." + key, Problem: fmt.Sprintf(format, args...)})
	}
	keys, known := c.Kind.needs()
	if !known {
		kinds := "client_secret, client_certificate, workload_identity, managed_identity, default or static_token"
		if c.Kind == "" {
			add("kind", "missing: %s", kinds)
		} else {
			add("kind", "%q is unknown: %s", c.Kind, kinds)
		}
		return mistakes
	}
	for _, text := range []struct{ key, value string }{{"client_id", c.ClientID}, {"token_file", c.TokenFile}} {
		need, takes := keys[text.key]
		switch {
		case need && strings.TrimSpace(text.value) == "":
			add(text.key, "missing: kind %s needs it", c.Kind)
		case !takes && text.value != "":
			add(text.key, "has no meaning for kind %s: remove it", c.Kind)
		}
	}
	for _, secret := range []struct {
		key   string
		value connectors.Secret
	}{{"secret", c.Secret}, {"certificate", c.Certificate}, {"password", c.Password}, {"token", c.Token}} {
		need, takes := keys[secret.key]
		switch {
		case need && secret.value.IsZero():
			add(secret.key, "missing: kind %s needs it, as {env: NAME}, {file: PATH} or {command: [prog, arg]}", c.Kind)
		case !takes && !secret.value.IsZero():
			add(secret.key, "has no meaning for kind %s: remove it", c.Kind)
		case !secret.value.IsZero():
			if err := secret.value.Validate(); err != nil {
				add(secret.key, "%v", err)
			}
		}
	}
	return mistakes
}

// addressProblem says what is wrong with the address of a service, and how to
// mend it.
func addressProblem(text, example string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return "is not an address: write it like " + example
	}
	// The text is not repeated before this point: it may hold a password.
	if u.User != nil {
		return "must not hold a user name or password: the credential goes into credential"
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Sprintf("is the address of the service alone, without version, path or query: %s://%s", u.Scheme, u.Host)
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return fmt.Sprintf("plain http would show the credential to the network: write https://%s", u.Host)
	}
	return fmt.Sprintf("the scheme %q is unknown: write https://%s", u.Scheme, u.Host)
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
