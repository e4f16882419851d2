package sailpoint

import (
	"context"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

var _ connectors.CredentialHolder = (*Source)(nil)

// Credential returns what expiry says, else what the client secret says of
// itself, which SailPoint's do not. The access tokens that are fetched with it
// are not the credential.
func (s *Source) Credential(ctx context.Context) (connectors.Credential, error) {
	return rest.Expires(ctx, s.settings.ClientSecret, s.settings.Expiry)
}
