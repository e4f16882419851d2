package sailpoint_test

import (
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

func TestCredentialEnd(t *testing.T) {
	t.Parallel()
	s := settingsFor(t, "https://acme.api.identitynow.com")
	known, err := open(t, s).Credential(t.Context())
	if err != nil || !known.Expires.IsZero() || known.Warn != nil {
		t.Errorf("a secret tells %+v, %v", known, err)
	}
	s.Expiry = connectors.Expiry{At: "2026-12-31", Warn: []connectors.Duration{0}}
	known, err = open(t, s).Credential(t.Context())
	if err != nil || known.Expires.Format(time.RFC3339) != "2026-12-31T23:59:59Z" || len(known.Warn) != 1 {
		t.Errorf("as configured: %+v, %v", known, err)
	}
	s.Expiry, s.ClientSecret = connectors.Expiry{}, connectors.Secret{File: t.TempDir() + "/absent"}
	if _, err = open(t, s).Credential(t.Context()); connectors.ClassOf(err) != connectors.Unauthorized {
		t.Errorf("no secret: %v of class %q", err, connectors.ClassOf(err))
	}
}
