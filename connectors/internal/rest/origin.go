package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// maxRedirects is how many redirects within the origin a read may follow.
const maxRedirects = 3

// maxLink bounds a pagination link: Graph's longest hold some kilobytes of token.
const maxLink = 32 << 10

// origin is where requests may go: scheme, host and port of the base, at or
// below its path. It is fixed when the client is made, so that nothing that
// comes over the wire can move it.
type origin struct {
	scheme, host string // host always has its port
	prefix       string // escaped, without a slash at the end
}

// newOrigin reads the base address. Plain http is for loopback only, because
// every request carries a credential.
func newOrigin(base *url.URL) (origin, error) {
	if base == nil {
		return origin{}, errNoBase
	}
	scheme := strings.ToLower(base.Scheme)
	switch {
	case scheme != "http" && scheme != "https" || base.Opaque != "":
		return origin{}, errors.New("the address must start with https://")
	case base.Hostname() == "":
		return origin{}, errors.New("the address names no host")
	case base.User != nil:
		return origin{}, fmt.Errorf("the address of %s holds a user name or password: give credentials in the settings for them", base.Host)
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return origin{}, fmt.Errorf("the address of %s holds a query or fragment: give scheme, host and path only", base.Host)
	case scheme == "http" && !isLoopback(base.Hostname()):
		return origin{}, fmt.Errorf("http://%s would send credentials in the clear: use https (plain http is for loopback only)", base.Host)
	case hasDotSegment(base.Path):
		return origin{}, fmt.Errorf("the path of the address of %s holds . or ..: write it out", base.Host)
	}
	return origin{scheme: scheme, host: hostPort(scheme, base), prefix: strings.TrimRight(base.EscapedPath(), "/")}, nil
}

// String returns the origin as a person would write it.
func (o origin) String() string { return o.scheme + "://" + o.host + o.prefix }

// check refuses every address outside the origin.
func (o origin) check(u *url.URL) error {
	scheme := strings.ToLower(u.Scheme)
	if u.Opaque != "" || scheme != o.scheme || hostPort(scheme, u) != o.host {
		return fmt.Errorf("%s is outside %s: nothing was sent there", nameOrigin(u), o)
	}
	if u.User != nil {
		return fmt.Errorf("an address at %s holds a user name or password: nothing was sent there", o)
	}
	// A server or proxy may resolve these before it looks at the path, and
	// would then act on something else than was meant.
	if hasDotSegment(u.Path) {
		return fmt.Errorf("a path at %s holds an empty segment, . or .. where a name or id belongs: nothing was sent", o)
	}
	path := u.EscapedPath()
	if path != o.prefix && !strings.HasPrefix(path, o.prefix+"/") {
		return fmt.Errorf("%s%s is outside %s: nothing was sent there", nameOrigin(u), clip(clean(path), maxPath), o)
	}
	return nil
}

// checkRedirect is the http.Client's rule: reads only, few, and never away.
func (o origin) checkRedirect(r *http.Request, via []*http.Request) error {
	first := via[0].Method
	switch {
	case first != http.MethodGet && first != http.MethodHead:
		return connectors.Errorf(connectors.Rejected, "a %s was answered with a redirect, which is not followed", first)
	case len(via) > maxRedirects:
		return connectors.Errorf(connectors.Rejected, "more than %d redirects in a row", maxRedirects)
	}
	if err := o.check(r.URL); err != nil {
		return &connectors.Error{Class: connectors.Rejected, Err: err}
	}
	return nil
}

// guard is the origin's http.RoundTripper. Redirects pass through it too.
type guard struct {
	next http.RoundTripper
	own  origin
}

func (t *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	err := t.own.check(r.URL)
	if err == nil && r.Host != "" && !strings.EqualFold(r.Host, r.URL.Host) {
		err = fmt.Errorf("the Host header %s differs from the address: nothing was sent", clip(clean(r.Host), maxPath))
	}
	if err != nil {
		closeBody(r)
		return nil, &fault{class: connectors.Rejected, final: true, text: err.Error()}
	}
	return t.next.RoundTrip(r)
}

// JoinPath returns the address of the segments below base. Every segment is
// escaped, so that an id with a slash, blank, %, ? or # stays one segment. Base
// may end in a slash or not; its query is dropped. A segment that is empty, . or
// .. cannot name anything safely: the address made of it is refused by every
// client of this package, before anything is sent.
func JoinPath(base *url.URL, segments ...string) *url.URL {
	path, raw := strings.TrimRight(base.Path, "/"), strings.TrimRight(base.EscapedPath(), "/")
	for _, segment := range segments {
		switch segment {
		case "", ".":
			path, raw = path+"/.", raw+"/%2E"
		case "..":
			path, raw = path+"/..", raw+"/%2E%2E"
		default:
			path, raw = path+"/"+segment, raw+"/"+url.PathEscape(segment)
		}
	}
	return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: path, RawPath: raw}
}

// ResolveLink returns the address a pagination link names. Link may be absolute
// or relative to base (an address with or without a slash at its end). A link to
// another scheme, host, port or path than base, or with a user name in it, is
// an error of class Rejected: following it would hand the credential over.
func ResolveLink(base *url.URL, link string) (*url.URL, error) {
	own, err := newOrigin(base)
	if err != nil {
		return nil, &connectors.Error{Class: connectors.Rejected, Err: err}
	}
	// The text of a link is not repeated in errors: it may hold a token.
	if len(link) > maxLink {
		return nil, connectors.Errorf(connectors.Rejected, "a link from %s is longer than %d KiB", own, maxLink>>10)
	}
	ref, err := url.Parse(link)
	if err != nil {
		return nil, connectors.Errorf(connectors.Rejected, "a link from %s is not a URL", own)
	}
	folder := &url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimRight(base.Path, "/") + "/"}
	if base.RawPath != "" {
		folder.RawPath = strings.TrimRight(base.RawPath, "/") + "/"
	}
	resolved := folder.ResolveReference(ref)
	resolved.Fragment, resolved.RawFragment = "", ""
	if err := own.check(resolved); err != nil {
		return nil, connectors.Errorf(connectors.Rejected, "link refused: %w", err)
	}
	return resolved, nil
}

// hostPort returns host and port, in lower case and never without the port.
func hostPort(scheme string, u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// nameOrigin names scheme and host of u for an error: never user, path or query.
func nameOrigin(u *url.URL) string {
	if u.Host == "" {
		return "an address without a host"
	}
	return clip(clean(u.Scheme+"://"+u.Host), maxPath)
}

// hasDotSegment reports whether the decoded path has a segment . or .. in it,
// also one that some servers would see after %2F or a backslash.
func hasDotSegment(path string) bool {
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// isLoopback reports whether the host is this machine: 127.0.0.0/8, ::1 or
// localhost.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
