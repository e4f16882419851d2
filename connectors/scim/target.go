package scim

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

// Type describes the target: settings under type: scim, opened as one
// connectors.Target per configured target.
func Type() connectors.TargetType {
	return connectors.TargetType{
		Name:     "scim",
		Summary:  "any application with a SCIM 2.0 service (RFC 7643, RFC 7644)",
		Settings: func() any { return &Settings{} },
		Open: func(settings any, rt connectors.Runtime) (connectors.Target, error) {
			s, ok := settings.(*Settings)
			if !ok {
				return nil, fmt.Errorf("settings of a scim target are *scim.Settings, not %T", settings)
			}
			return newTarget(s, rt)
		},
		URL: func(settings any) string {
			if s, ok := settings.(*Settings); ok {
				return s.address()
			}
			return ""
		},
	}
}

// target is a configured SCIM service, not yet asked anything.
type target struct {
	settings Settings
	product  product
	dialect  dialect
	base     *url.URL
	client   *http.Client
	rt       connectors.Runtime
}

func newTarget(s *Settings, rt connectors.Runtime) (*target, error) {
	product, err := loadProduct(s.Profile)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(s.address())
	if err != nil || base.Host == "" {
		return nil, connectors.Errorf(connectors.Rejected, "url is not a full URL")
	}
	name := s.Dialect
	if name == "" {
		name = product.Dialect
	}
	if name == "" {
		name = defaultDialect
	}
	auth, err := s.Auth.open(s.HTTP)
	if err != nil {
		return nil, err
	}
	client, err := rest.NewClient(rest.Config{
		Base:      base,
		Auth:      auth,
		HTTP:      s.HTTP,
		Limits:    s.Limits.merge(product),
		Decode:    decodeFailure,
		MaxBody:   objectBytes,
		MaxBodyOf: answerBytes,
		Streamed:  streamed,
		Runtime:   rt,
		// A search only reads (RFC 7644, section 3.4.3).
		Repeatable: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/.search") },
	})
	if err != nil {
		return nil, err
	}
	return &target{settings: *s, product: product, dialect: newDialect(name), base: base, client: client, rt: rt}, nil
}

// open makes the rest layer's credential. No secret is read here.
func (a Auth) open(h connectors.HTTP) (rest.Auth, error) {
	switch {
	case a.Basic != nil:
		return rest.Basic(a.Basic.Username, a.Basic.Password), nil
	case a.OAuth2 != nil:
		tokenURL, err := url.Parse(a.OAuth2.TokenURL)
		if err != nil {
			return nil, connectors.Errorf(connectors.Rejected, "auth.oauth2.token_url is not a full URL")
		}
		client, err := rest.NewTokenClient(tokenURL, h)
		if err != nil {
			return nil, err
		}
		o := a.OAuth2
		return rest.ClientCredentials(o.TokenURL, o.ClientID, o.ClientSecret, o.Scopes, client), nil
	}
	return rest.Header("Bearer", a.Bearer), nil
}

// merge returns the configured limits with the profile's where they are 0.
func (l Limits) merge(p product) connectors.Limits {
	out := connectors.Limits{
		RequestsPerSecond: l.RequestsPerSecond,
		Concurrency:       firstPositive(l.Concurrency, p.Concurrency),
		MembersPerPatch:   firstPositive(l.MembersPerPatch, p.Members.PerPatch, defaultMembersPerPatch),
		PageSize:          firstPositive(l.PageSize, p.PageSize, defaultPageSize),
	}
	if out.RequestsPerSecond == 0 {
		out.RequestsPerSecond = p.RequestsPerSecond
	}
	// The cap of a known product is a fact; a configuration can only lower it.
	if p.Members.PerPatch > 0 {
		out.MembersPerPatch = min(out.MembersPerPatch, p.Members.PerPatch)
	}
	if p.PageSize > 0 {
		out.PageSize = min(out.PageSize, p.PageSize)
	}
	return out
}
