package rest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// The bounds of a token that is looked into.
const (
	maxToken   = 64 << 10
	oldestEnd  = 946684800    // the year 2000
	farthestTo = 253402300799 // the year 9999
)

// TokenEnd returns when a token says that it ends: the claim exp of a signed JWT
// in its compact form (RFC 7519, section 4.1.4), in UTC. It is zero for anything
// else. Nothing is verified, because nobody here has the key, and the other side
// decides in any case: the answer is good for a reminder and for nothing else.
// No other claim is read.
func TokenEnd(token string) time.Time {
	if len(token) > maxToken {
		return time.Time{}
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var claims struct {
		End json.Number `json:"exp"`
	}
	if !segment(parts[0], &header) || header.Algorithm == "" || !segment(parts[1], &claims) {
		return time.Time{}
	}
	// A NumericDate may have a fraction (RFC 7519, section 2).
	seconds, err := claims.End.Float64()
	if err != nil || seconds < oldestEnd || seconds > farthestTo {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// segment decodes one part of a JWT (RFC 7515, section 2: base64url without
// padding), which some issuers pad.
func segment(part string, v any) bool {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	return decoder.Decode(v) == nil
}

// Expires returns what is known of a secret that is sent as it is: what expiry
// says, else when the secret, read anew, says that it ends. It fails with class
// Unauthorized where the secret cannot be had.
func Expires(ctx context.Context, secret connectors.Secret, expiry connectors.Expiry) (connectors.Credential, error) {
	if expiry.At != "" {
		return expiry.Credential(time.Time{})
	}
	value, err := resolve(ctx, secret)
	if err != nil {
		return connectors.Credential{}, err
	}
	return expiry.Credential(TokenEnd(value))
}
