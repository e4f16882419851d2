package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// Header returns an Auth that sends "Authorization: SCHEME SECRET"; an empty
// scheme sends the secret alone. The secret is read when it is first needed, and
// again after a 401. A secret that cannot be read or sent is an error of class
// Unauthorized that names its place.
func Header(scheme string, secret connectors.Secret) Auth {
	return &header{kept: newKept(secret), value: func(token string) (string, error) {
		if err := checkToken(scheme, token); err != nil {
			return "", err
		}
		return strings.TrimSpace(scheme + " " + token), nil
	}}
}

// Basic returns an Auth that sends user name and password (RFC 7617). The secret
// is read as in Header.
func Basic(username string, secret connectors.Secret) Auth {
	return &header{kept: newKept(secret), value: func(password string) (string, error) {
		switch {
		case username == "" || strings.ContainsFunc(username, isControl) || strings.Contains(username, ":"):
			return "", errors.New("the user name of basic auth must not be empty or hold a colon or control character")
		case strings.ContainsFunc(password, isControl):
			return "", errControl
		}
		var r http.Request
		r.Header = make(http.Header)
		r.SetBasicAuth(username, password)
		return r.Header.Get("Authorization"), nil
	}}
}

// header sends one secret in the Authorization header.
type header struct {
	kept  *kept
	value func(secret string) (string, error)
}

func (a *header) Authorize(ctx context.Context, r *http.Request) error {
	secret, err := a.kept.get(ctx)
	if err != nil {
		return err
	}
	value, err := a.value(secret)
	if err != nil {
		return connectors.Errorf(connectors.Unauthorized, "secret from %s: %w", a.kept.place, err)
	}
	r.Header.Set("Authorization", value)
	return nil
}

func (a *header) Refresh(ctx context.Context) (bool, error) { return a.kept.reload(ctx) }

// kept is a secret that is read once and kept until it is asked for anew.
type kept struct {
	place   connectors.Secret
	reading lock
	value   string // empty until read; under reading
}

func newKept(place connectors.Secret) *kept { return &kept{place: place, reading: newLock()} }

func (k *kept) get(ctx context.Context) (string, error) {
	if err := k.reading.acquire(ctx); err != nil {
		return "", err
	}
	defer k.reading.release()
	if k.value == "" {
		value, err := resolve(ctx, k.place)
		if err != nil {
			return "", err
		}
		k.value = value
	}
	return k.value, nil
}

func (k *kept) reload(ctx context.Context) (bool, error) {
	if err := k.reading.acquire(ctx); err != nil {
		return false, err
	}
	defer k.reading.release()
	value, err := resolve(ctx, k.place)
	if err != nil {
		return false, err
	}
	changed := value != k.value
	k.value = value
	return changed, nil
}

// resolve reads a secret; failing to is as good as having the wrong one.
func resolve(ctx context.Context, place connectors.Secret) (string, error) {
	value, err := place.Resolve(ctx)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", &connectors.Error{Class: connectors.Unauthorized, Err: err}
	case value == "":
		return "", connectors.Errorf(connectors.Unauthorized, "secret from %s is empty", place)
	}
	return value, nil
}

var errControl = errors.New("it holds a line break or control character: give the secret alone, on one line")

// checkToken finds the mistakes people make with tokens, without repeating them.
func checkToken(scheme, token string) error {
	prefix, _, spaced := strings.Cut(token, " ")
	switch {
	case strings.ContainsFunc(token, isControl):
		return errControl
	case strings.ContainsFunc(token, func(r rune) bool { return r > 0x7e }):
		return errors.New("it holds a character that no token has (a typographic quote, a byte order mark?): give the token alone")
	case strings.TrimSpace(token) != token:
		return errors.New("it starts or ends with a blank: give the token alone")
	case scheme != "" && spaced && strings.EqualFold(prefix, scheme):
		return fmt.Errorf("it starts with %q, which is added anyway: give the token alone", scheme)
	}
	return nil
}
