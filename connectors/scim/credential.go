package scim

import (
	"context"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

var _ connectors.CredentialHolder = (*target)(nil)

// Credential returns what expiry says, else when a bearer token that is a JWT
// ends, or a client secret that is one. SCIM has no way to ask (RFC 7644 leaves
// authentication to others), and a password tells nothing.
func (t *target) Credential(ctx context.Context) (connectors.Credential, error) {
	a := t.settings.Auth
	switch {
	case a.Basic != nil:
		return t.settings.Expiry.Credential(time.Time{})
	case a.OAuth2 != nil:
		return rest.Expires(ctx, a.OAuth2.ClientSecret, t.settings.Expiry)
	}
	return rest.Expires(ctx, a.Bearer, t.settings.Expiry)
}
