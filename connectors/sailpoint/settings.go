package sailpoint

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// Settings are the keys of a source of type sailpoint.
type Settings struct {
	// URL is the address of the tenant's API, without a path.
	URL string `yaml:"url" json:"url" jsonschema:"required,description=Address of the tenant's API without a path such as https://acme.api.identitynow.com"`
	// TokenURL overrides URL/oauth/token; vanity tenants publish theirs at
	// /oauth/info as tokenEndpoint.
	TokenURL     string            `yaml:"token_url,omitempty" json:"token_url,omitempty" jsonschema:"description=Token endpoint where it is not at /oauth/token below url (vanity tenants)"`
	ClientID     string            `yaml:"client_id" json:"client_id" jsonschema:"required"`
	ClientSecret connectors.Secret `yaml:"client_secret" json:"client_secret" jsonschema:"required"`
	// API is the first segment of every path: v2025 when nil, none when "".
	API *string `yaml:"api,omitempty" json:"api,omitempty" jsonschema:"description=First segment of every path; default v2025; empty for none"`
	// Paths override single calls, whole paths below URL.
	Paths Paths `yaml:"paths,omitempty" json:"paths,omitzero"`
	// Source is the name of the source in the tenant. Exactly one of Source
	// and SourceID.
	Source   string `yaml:"source,omitempty" json:"source,omitempty" jsonschema:"description=Name of the source in SailPoint; give either source or source_id"`
	SourceID string `yaml:"source_id,omitempty" json:"source_id,omitempty" jsonschema:"description=Id of the source in SailPoint; give either source or source_id"`
	// EntitlementType is the sourceSchemaObjectType of what is a group;
	// default "group".
	EntitlementType string `yaml:"entitlement_type,omitempty" json:"entitlement_type,omitempty" jsonschema:"description=Type of the entitlements that are groups; default group"`
	// Accounts says whether accounts are read: true when nil. Without them
	// there are no users, and the members of groups are unknown.
	Accounts *bool `yaml:"accounts,omitempty" json:"accounts,omitempty" jsonschema:"description=Read accounts as users with their memberships; default true"`
	// AccessProfiles says whether the enabled access profiles of the source
	// are groups too. Their members are the accounts that hold every one of
	// their entitlements.
	AccessProfiles bool              `yaml:"access_profiles,omitempty" json:"access_profiles,omitempty" jsonschema:"description=Read the enabled access profiles of the source as groups too; default false"`
	Aggregation    *Aggregation      `yaml:"aggregation,omitempty" json:"aggregation,omitempty" jsonschema:"description=Start an account aggregation and wait for it before each full read"`
	Expiry         connectors.Expiry `yaml:"expiry,omitempty" json:"expiry,omitzero"`
	HTTP           connectors.HTTP   `yaml:"http,omitempty" json:"http,omitzero"`
	Limits         Limits            `yaml:"limits,omitempty" json:"limits,omitzero"`
}

// Paths override the paths of single calls. They are whole, below the address of
// the tenant, and not preceded by API; {id} stands for the id in the two calls
// that have one inside.
type Paths struct {
	Sources           string `yaml:"sources,omitempty" json:"sources,omitempty"`
	Entitlements      string `yaml:"entitlements,omitempty" json:"entitlements,omitempty"`
	Accounts          string `yaml:"accounts,omitempty" json:"accounts,omitempty"`
	LoadAccounts      string `yaml:"load_accounts,omitempty" json:"load_accounts,omitempty"`
	AggregationStatus string `yaml:"aggregation_status,omitempty" json:"aggregation_status,omitempty"`
	AccessProfiles    string `yaml:"access_profiles,omitempty" json:"access_profiles,omitempty"`
}

// Aggregation asks for fresh data before each full read.
type Aggregation struct {
	// Wait is how long the aggregation may take.
	Wait connectors.Duration `yaml:"wait" json:"wait" jsonschema:"required,description=How long the aggregation may take such as 30m"`
}

// Limits bound the pace and size of requests. Zero means the default.
type Limits struct {
	// RequestsPerSecond is an even pace in place of what SailPoint allows a
	// client: 100 requests in 10 seconds (developer.sailpoint.com, "Rate
	// Limits"), of which a short read may use as many as it needs at once.
	RequestsPerSecond float64 `yaml:"requests_per_second,omitempty" json:"requests_per_second,omitempty"`
	Concurrency       int     `yaml:"concurrency,omitempty" json:"concurrency,omitempty"`
	// PageSize is at most 250, the default, and at least 2, because pages
	// overlap by one row.
	PageSize int `yaml:"page_size,omitempty" json:"page_size,omitempty"`
}

// pace is what the transport keeps to.
func (l Limits) pace() connectors.Limits {
	out := connectors.Limits{RequestsPerSecond: l.RequestsPerSecond, Concurrency: l.Concurrency}
	if l.RequestsPerSecond == 0 {
		out.PerWindow, out.Window = 100, 10*time.Second
	}
	return out
}

const (
	defaultAPI  = "v2025"
	defaultType = "group"
	minPage     = 2
	// maxPage is what every list allows (developer.sailpoint.com, "Standard
	// Collection Parameters"); 251 is answered 400.
	maxPage = 250
	// maxProfilePage is what the list of access profiles allows in every
	// version: 250 in the yearly ones, 50 in beta and older ones.
	maxProfilePage = 50
	minWait        = time.Minute
	maxWait        = 24 * time.Hour
)

var _ connectors.Validator = (*Settings)(nil)

var (
	// objectID is the form of SailPoint's ids: 32 hexadecimal digits, or a
	// UUID; wider than they are today.
	objectID   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	apiSegment = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// Validate returns every mistake in the settings. Nothing is read or sent.
func (s *Settings) Validate() []connectors.SettingError {
	var mistakes []connectors.SettingError
	add := func(key, format string, args ...any) {
		mistakes = append(mistakes, connectors.SettingError{Key: key, Problem: fmt.Sprintf(format, args...)})
	}
	if problem := tenantProblem(s.URL); problem != "" {
		add("url", "%s", problem)
	}
	if s.TokenURL != "" {
		if problem := addressProblem(s.TokenURL, "https://acme.api.identitynow.com/oauth/token"); problem != "" {
			add("token_url", "%s", problem)
		}
	}
	if strings.TrimSpace(s.ClientID) == "" {
		add("client_id", "missing: the client id of the API client or personal access token")
	}
	if err := s.ClientSecret.Validate(); err != nil {
		add("client_secret", "%v", err)
	}
	mistakes = append(mistakes, s.apiProblems()...)
	switch {
	case strings.TrimSpace(s.Source) == "" && s.SourceID == "":
		add("source", "missing: give source, the name of the source in SailPoint, or source_id")
	case s.Source != "" && s.SourceID != "":
		add("source_id", "give either source or source_id, not both")
	case s.SourceID != "" && !objectID.MatchString(s.SourceID):
		add("source_id", "%q is not the id of a source: it is 32 letters and digits", s.SourceID)
	}
	if s.AccessProfiles && strings.EqualFold(s.EntitlementType, profileType) {
		add("entitlement_type", "%s is the type that access profiles are given: name the type of the entitlements that are groups", profileType)
	}
	if s.Aggregation != nil {
		if wait := time.Duration(s.Aggregation.Wait); wait < minWait || wait > maxWait {
			add("aggregation.wait", "%s is out of range: give %s to %s, such as 30m", s.Aggregation.Wait, minWait, maxWait)
		}
	}
	mistakes = append(mistakes, s.Expiry.Validate("expiry")...)
	if s.Limits.RequestsPerSecond < 0 {
		add("limits.requests_per_second", "cannot be negative; 0 is what SailPoint allows")
	}
	if s.Limits.Concurrency < 0 {
		add("limits.concurrency", "cannot be negative; 0 learns it")
	}
	if n := s.Limits.PageSize; n != 0 && (n < minPage || n > maxPage) {
		add("limits.page_size", "%d is out of range: SailPoint answers up to %d rows at a time, and pages overlap by one row", n, maxPage)
	}
	return mistakes
}

func (s *Settings) apiProblems() []connectors.SettingError {
	var mistakes []connectors.SettingError
	add := func(key, format string, args ...any) {
		mistakes = append(mistakes, connectors.SettingError{Key: key, Problem: fmt.Sprintf(format, args...)})
	}
	switch api := s.api(); {
	case api == "":
	case !apiSegment.MatchString(api):
		add("api", "%q is not one path segment: write v2025, or \"\" for none", api)
	case api == "v3" && s.Paths.Entitlements == "":
		add("api", "v3 has no list of entitlements: write v2025, or give paths.entitlements")
	}
	for _, c := range calls() {
		path := c.override(s.Paths)
		if path == "" {
			continue
		}
		key := "paths." + c.key
		switch {
		case !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#\\% \t\r\n"):
			add(key, "%q is not a path below url: write it like %s", path, c.example)
		case strings.Contains(path, "//") || strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../"):
			add(key, "%q holds an empty segment, . or ..: write it like %s", path, c.example)
		case strings.Count(path, "{id}") != strings.Count(c.path, "{id}") || strings.Count(path, "{") != strings.Count(c.path, "{"):
			add(key, "%q must hold {id} where the id belongs and nothing else in braces: write it like %s", path, c.example)
		}
	}
	return mistakes
}

func (s *Settings) api() string {
	if s.API == nil {
		return defaultAPI
	}
	return *s.API
}

func (s *Settings) accounts() bool { return s.Accounts == nil || *s.Accounts }

func (s *Settings) entitlementType() string {
	if s.EntitlementType == "" {
		return defaultType
	}
	return s.EntitlementType
}

// Selection returns what decides which objects are read and which ids they have.
// How they are reached, under which version of the API and how fresh they are
// does not: moving to another version is no edit that may cause removals.
func (s *Settings) Selection() any {
	tenant := s.URL
	if u, err := url.Parse(s.URL); err == nil {
		tenant = strings.ToLower(u.Host)
	}
	return map[string]any{
		"tenant": tenant, "source": s.Source, "source_id": s.SourceID, "entitlement_type": s.entitlementType(),
		"accounts": s.accounts(), "access_profiles": s.AccessProfiles,
	}
}

func (s *Settings) pageSize() int {
	if s.Limits.PageSize == 0 {
		return maxPage
	}
	return s.Limits.PageSize
}

// tenantProblem says what is wrong with the address of a tenant's API.
func tenantProblem(text string) string {
	const example = "https://acme.api.identitynow.com"
	if text == "" {
		return "missing: the address of your tenant's API, such as " + example
	}
	if problem := addressProblem(text, example); problem != "" {
		return problem
	}
	u, err := url.Parse(text)
	if err != nil {
		return "is not an address: write it like " + example
	}
	if u.Path != "" && u.Path != "/" {
		return fmt.Sprintf("is the address alone, without a path (api and paths are keys of their own): %s://%s", u.Scheme, u.Host)
	}
	tenant, domain, _ := strings.Cut(strings.ToLower(u.Hostname()), ".")
	if domain == "identitynow.com" || domain == "identitynow-demo.com" {
		return fmt.Sprintf("is the address of the web interface: the API is https://%s.api.%s", tenant, domain)
	}
	return ""
}

// addressProblem says what is wrong with an address. Its text is not repeated:
// it may hold a password.
func addressProblem(text, example string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "is not an address: write it like " + example
	}
	if u.User != nil {
		return "must not hold a user name or password: the credential goes into client_id and client_secret"
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "must not hold a query or fragment: write it like " + example
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	case u.Scheme == "http":
		return "plain http would show the credential to the network: write https://" + u.Host
	default:
		return fmt.Sprintf("the scheme %q is unknown: write https://%s", u.Scheme, u.Host)
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
