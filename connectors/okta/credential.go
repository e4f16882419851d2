package okta

import (
	"context"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

var _ connectors.CredentialHolder = (*Source)(nil)

// Credential returns what expiry says. Okta tells no end: an API token lives as
// long as it is used within 30 days, and the key of a service app until it is
// taken away (developer.okta.com, "Create an API token"). A token that is a JWT
// tells its own. The access tokens that a service app fetches are not the
// credential.
func (s *Source) Credential(ctx context.Context) (connectors.Credential, error) {
	if s.settings.PrivateKey != nil {
		return s.settings.Expiry.Credential(time.Time{})
	}
	return rest.Expires(ctx, s.settings.Token, s.settings.Expiry)
}
