package rest

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode"
)

const (
	masked = "***"
	// shortestSecret is the shortest text that is masked: hiding shorter
	// ones would spoil every message and hide nothing.
	shortestSecret = 4
	// maxSecrets bounds what a client that runs for months remembers; a
	// token is renewed long before this many others have followed it.
	maxSecrets = 64
)

// mask knows the secrets a client has sent, and takes them out of text. A server
// may repeat a token in its error answer.
type mask struct {
	mu     sync.RWMutex
	values []string // in the order learned
}

func newMask() *mask { return &mask{} }

// learn remembers secrets, also in the forms they take in URLs, JSON and HTML.
func (m *mask) learn(secrets ...string) {
	for _, secret := range secrets {
		if len(secret) < shortestSecret || m.knows(secret) {
			continue
		}
		forms := []string{secret, html.EscapeString(secret), strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(secret)}
		for _, escaped := range []string{url.QueryEscape(secret), url.PathEscape(secret)} {
			// Not everybody leaves the tilde alone or writes capitals.
			strict := strings.ReplaceAll(escaped, "~", "%7E")
			forms = append(forms, escaped, smallHex(escaped), strict, smallHex(strict))
		}
		if quoted, err := json.Marshal(secret); err == nil {
			forms = append(forms, strings.Trim(string(quoted), `"`))
		}
		m.mu.Lock()
		for _, form := range forms {
			if !slices.Contains(m.values, form) {
				m.values = append(m.values, form)
			}
		}
		if over := len(m.values) - maxSecrets; over > 0 {
			m.values = slices.Clone(m.values[over:])
		}
		m.mu.Unlock()
	}
}

// smallHex writes the percent-encoded bytes of text with small letters.
func smallHex(text string) string {
	parts := strings.Split(text, "%")
	for i, part := range parts[1:] {
		parts[i+1] = strings.ToLower(part[:2]) + part[2:]
	}
	return strings.Join(parts, "%")
}

func (m *mask) knows(secret string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Contains(m.values, secret)
}

// learnRequest remembers what the request carries as credentials, whoever put it
// there: the Okta SDK sends its signed client assertion in the query.
func (m *mask) learnRequest(r *http.Request) {
	m.learnHeaders(map[string]string{"Authorization": r.Header.Get("Authorization")})
	if r.URL.RawQuery == "" {
		return
	}
	for name, values := range r.URL.Query() {
		switch strings.ToLower(name) {
		case "client_assertion", "client_secret", "access_token", "refresh_token", "token", "api_key", "apikey", "password", "sig":
			m.learn(values...)
		}
	}
}

func (m *mask) learnHeaders(headers map[string]string) {
	for name, value := range headers {
		if !namesSecret(name) || value == "" {
			continue
		}
		m.learn(value)
		scheme, credential, ok := strings.Cut(value, " ")
		if !ok {
			continue
		}
		m.learn(credential)
		if strings.EqualFold(scheme, "Basic") {
			if pair, err := base64.StdEncoding.DecodeString(credential); err == nil {
				_, password, _ := strings.Cut(string(pair), ":")
				m.learn(string(pair), password)
			}
		}
	}
}

// namesSecret reports whether a header is likely to hold a secret.
func namesSecret(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"auth", "token", "secret", "key", "assertion", "password", "signature", "cookie"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// hide returns text without any secret the mask knows, the longest first.
func (m *mask) hide(text string) string {
	m.mu.RLock()
	known := slices.Clone(m.values)
	m.mu.RUnlock()
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) })
	for _, value := range known {
		text = strings.ReplaceAll(text, value, masked)
	}
	return text
}

// hideCut masks the beginnings of secrets before an ellipsis, where text was cut.
func (m *mask) hideCut(text string) string {
	m.mu.RLock()
	known := slices.Clone(m.values)
	m.mu.RUnlock()
	head, rest, cut := strings.Cut(text, "…")
	if !cut {
		return text
	}
	longest := 0
	for _, value := range known {
		for n := min(len(value)-1, len(head)); n >= shortestSecret && n > longest; n-- {
			if strings.HasSuffix(head, value[:n]) {
				longest = n
			}
		}
	}
	if longest > 0 {
		head = head[:len(head)-longest] + masked
	}
	return head + "…" + m.hideCut(rest)
}

// clean makes text from the wire safe to print on one line: no control
// characters, no characters that reorder or hide text, no broken UTF-8, no runs
// of blanks.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	return strings.Join(strings.Fields(text), " ")
}

// clip shortens text to at most n runes.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	count := 0
	for at := range text {
		if count == n-1 {
			return text[:at] + "…"
		}
		count++
	}
	return text
}
