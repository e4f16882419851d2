package entra

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra/internal/graph"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

var _ connectors.CredentialHolder = (*Source)(nil)

// Credential returns what expiry says, else when the certificate ends, when a
// static token that is a JWT ends, or when the directory says that the client
// secret ends. The identities that the platform renews by itself have no end, and
// the access tokens that are fetched are not the credential.
func (s *Source) Credential(ctx context.Context) (connectors.Credential, error) {
	c := s.settings.Credential
	if s.settings.Expiry.At != "" {
		return s.settings.Expiry.Credential(time.Time{})
	}
	switch c.Kind {
	case StaticToken:
		return rest.Expires(ctx, c.Token, s.settings.Expiry)
	case ClientCertificate:
		certificates, key, err := c.certificate(ctx)
		if err != nil {
			return connectors.Credential{}, &connectors.Error{Class: connectors.Unauthorized, Err: err}
		}
		return s.settings.Expiry.Credential(certificateEnd(certificates, key))
	case ClientSecret:
		secret, err := c.Secret.Resolve(ctx)
		if err != nil {
			return connectors.Credential{}, &connectors.Error{Class: connectors.Unauthorized, Err: err}
		}
		end, err := s.secretEnd(ctx, secret)
		if err != nil {
			return connectors.Credential{}, err
		}
		return s.settings.Expiry.Credential(end)
	case WorkloadIdentity, ManagedIdentity, DefaultChain:
	}
	return s.settings.Expiry.Credential(time.Time{})
}

// certificateEnd returns when the certificate that belongs to the key ends.
func certificateEnd(certificates []*x509.Certificate, key any) time.Time {
	private, ok := key.(crypto.Signer)
	if !ok {
		return certificates[0].NotAfter
	}
	for _, c := range certificates {
		public, ok := c.PublicKey.(interface{ Equal(x crypto.PublicKey) bool })
		if ok && public.Equal(private.Public()) {
			return c.NotAfter
		}
	}
	return certificates[0].NotAfter
}

// endsKept is how long an answer about a secret is good: ends are days away, and
// asking costs a request.
const endsKept = 12 * time.Hour

// ends remembers what the directory said of one secret.
type ends struct {
	mu     sync.Mutex
	secret [sha256.Size]byte
	asked  time.Time
	end    time.Time
}

// secretEnd asks the directory when the client secret ends. It is zero where the
// directory does not tell: reading an app registration takes a permission of its
// own, and the registration may be in another tenant.
func (s *Source) secretEnd(ctx context.Context, secret string) (time.Time, error) {
	s.ends.mu.Lock()
	defer s.ends.mu.Unlock()
	mark, now := sha256.Sum256([]byte(secret)), s.now()
	if mark == s.ends.secret && now.Sub(s.ends.asked) < endsKept && !now.Before(s.ends.asked) {
		return s.ends.end, nil
	}
	const op = "read when the client secret ends"
	request, err := s.client.graph.Application(ctx, s.settings.Credential.ClientID, graph.Options{Select: []string{"passwordCredentials"}})
	if err != nil {
		return time.Time{}, rest.Wrap(op, identity.Ref{}, err)
	}
	var app struct {
		Passwords []password `json:"passwordCredentials"`
	}
	err = s.client.get(ctx, request, &app)
	switch {
	case connectors.ClassOf(err) == connectors.Forbidden || notFound(err):
	case err != nil:
		return time.Time{}, rest.Wrap(op, identity.Ref{}, err)
	}
	s.ends.secret, s.ends.asked, s.ends.end = mark, now, endOf(app.Passwords, secret, now)
	return s.ends.end, nil
}

// password is a client secret as the directory shows it
// (learn.microsoft.com/graph/api/resources/passwordcredential).
type password struct {
	Hint string `json:"hint"` // the first three characters
	End  string `json:"endDateTime"`
}

// endOf returns the end of the secret among those of an app. Its first three
// characters tell them apart; where several begin alike, the one that ends first
// of those that have not ended counts, so that nobody is warned too late. A secret
// that none fits has an end nobody knows.
func endOf(passwords []password, secret string, now time.Time) time.Time {
	var next, last time.Time
	for _, p := range passwords {
		end, err := time.Parse(time.RFC3339, p.End)
		fits := p.Hint != "" && strings.HasPrefix(secret, p.Hint) || p.Hint == "" && len(passwords) == 1
		if err != nil || !fits {
			continue
		}
		if end.After(now) && (next.IsZero() || end.Before(next)) {
			next = end
		}
		if end.After(last) {
			last = end
		}
	}
	if next.IsZero() {
		return last
	}
	return next
}
