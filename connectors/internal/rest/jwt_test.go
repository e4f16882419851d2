package rest

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// token writes a JWT with a signature nobody made.
func token(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

const usual = `{"alg":"RS256","typ":"JWT"}`

func TestTokenEnd(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC)
	padded := token(usual, `{"exp":1798740000,"a":"b"}`)
	parts := strings.Split(padded, ".")
	for len(parts[1])%4 != 0 {
		parts[1] += "="
	}
	for title, test := range map[string]struct {
		token string
		want  time.Time
	}{
		"a JWT":               {token(usual, `{"sub":"scim","exp":1798740000}`), end},
		"with a fraction":     {token(usual, `{"exp":1798740000.9}`), end},
		"padded":              {strings.Join(parts, "."), end},
		"not signed":          {token(`{"alg":"none"}`, `{"exp":1798740000}`), end},
		"no end":              {token(usual, `{"sub":"scim"}`), time.Time{}},
		"an end of null":      {token(usual, `{"exp":null}`), time.Time{}},
		"an end in words":     {token(usual, `{"exp":"soon"}`), time.Time{}},
		"an object as an end": {token(usual, `{"exp":{"a":1}}`), time.Time{}},
		"in milliseconds":     {token(usual, `{"exp":1798740000000}`), time.Time{}},
		"zero":                {token(usual, `{"exp":0}`), time.Time{}},
		"negative":            {token(usual, `{"exp":-1798740000}`), time.Time{}},
		"beyond all numbers":  {token(usual, `{"exp":1e999}`), time.Time{}},
		"claims are a list":   {token(usual, `[1]`), time.Time{}},
		"no algorithm":        {token(`{"typ":"JWT"}`, `{"exp":1798740000}`), time.Time{}},
		"header is no JSON":   {token(`x`, `{"exp":1798740000}`), time.Time{}},
		"an opaque token":     {"00aBcDeF-1798740000.x", time.Time{}},
		"three parts of text": {"a.b.c", time.Time{}},
		"an encrypted token":  {token(usual, `{"exp":1798740000}`) + ".x.y", time.Time{}},
		"too large":           {token(usual, `{"exp":1798740000,"a":"`+strings.Repeat("x", maxToken)+`"}`), time.Time{}},
		"empty":               {"", time.Time{}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if got := TokenEnd(test.token); !got.Equal(test.want) || got.Location() != time.UTC && !got.IsZero() {
				t.Errorf("ends %s, want %s", got, test.want)
			}
		})
	}
}

func FuzzTokenEnd(f *testing.F) {
	f.Add(token(usual, `{"exp":1798740000}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		if end := TokenEnd(text); !end.IsZero() && (end.Year() < 2000 || end.Year() > 9999) {
			t.Errorf("ends in %d", end.Year())
		}
	})
}

func TestExpires(t *testing.T) {
	t.Parallel()
	place, write := tokenFile(t, token(usual, `{"exp":1798740000}`))
	fromToken := time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC)
	expiry := connectors.Expiry{Warn: []connectors.Duration{0}}
	known, err := Expires(t.Context(), place, expiry)
	if err != nil || !known.Expires.Equal(fromToken) || len(known.Warn) != 1 {
		t.Errorf("of the token: %+v, %v", known, err)
	}
	write(token(usual, `{"exp":1798826400}`))
	if known, err = Expires(t.Context(), place, expiry); err != nil || !known.Expires.Equal(fromToken.AddDate(0, 0, 1)) {
		t.Errorf("renewed: %+v, %v", known, err)
	}
	write("an-opaque-canary")
	if known, err = Expires(t.Context(), place, expiry); err != nil || !known.Expires.IsZero() {
		t.Errorf("of an opaque token: %+v, %v", known, err)
	}
	expiry.At = "2027-01-31"
	if known, err = Expires(t.Context(), connectors.Secret{File: "/nowhere"}, expiry); err != nil || known.Expires.Format(time.DateTime) != "2027-01-31 23:59:59" {
		t.Errorf("as configured: %+v, %v", known, err)
	}
	_, err = Expires(t.Context(), connectors.Secret{File: "/nowhere"}, connectors.Expiry{})
	wantClass(t, err, connectors.Unauthorized)
	write("")
	_, err = Expires(t.Context(), place, connectors.Expiry{})
	wantText(t, err, "is empty", place.File)
}
