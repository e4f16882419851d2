package connectors

import (
	"context"
	"time"
)

// Credential is what is known of the credential that a source or target uses.
type Credential struct {
	// Expires is when it ends; zero where nobody can tell.
	Expires time.Time
	// Warn are the times before the end at which to tell of it, negative ones
	// after it; nil is the default, and none at all means never.
	Warn []time.Duration
}

// CredentialHolder is implemented by sources and targets that can say when their
// credential ends. Credential reads the secret anew, so that a renewed one is seen
// without a restart, and asks the other side only where the vendor alone knows. It
// fails where the secret cannot be had. Safe for concurrent use.
type CredentialHolder interface {
	Credential(ctx context.Context) (Credential, error)
}
