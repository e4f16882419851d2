package okta_test

import (
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

func TestCredentialEnd(t *testing.T) {
	t.Parallel()
	_, s := org(t, oktatest.World{})
	known, err := open(t, s).(connectors.CredentialHolder).Credential(t.Context())
	if err != nil || !known.Expires.IsZero() {
		t.Errorf("an API token tells %+v, %v", known, err)
	}
	absent := connectors.Secret{File: t.TempDir() + "/absent"}
	s.Token = absent
	if _, err = open(t, s).(connectors.CredentialHolder).Credential(t.Context()); connectors.ClassOf(err) != connectors.Unauthorized {
		t.Errorf("no token: %v of class %q", err, connectors.ClassOf(err))
	}
	s.Token, s.PrivateKey = connectors.Secret{}, &okta.PrivateKey{ClientID: "0oa1", KeyID: "k", Key: absent}
	s.Expiry = connectors.Expiry{At: "2026-12-31"}
	known, err = open(t, s).(connectors.CredentialHolder).Credential(t.Context())
	if err != nil || known.Expires.Format(time.RFC3339) != "2026-12-31T23:59:59Z" {
		t.Errorf("as configured: %+v, %v", known, err)
	}
}
