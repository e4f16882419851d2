package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// Bounds on what a Link header may make us read.
const (
	maxLinkHeader = 64 << 10
	maxLinks      = 100
)

// NextLinks returns the target of each relation (in lower case) in the Link
// headers, as sent: pass it to ResolveLink (RFC 8288, section 3). It copes with
// several header lines, several links in a line, and commas or semicolons within
// the angle brackets or quotes. Links about another context (anchor) are left
// out. A header that cannot be read, or that names two different targets for
// one relation, is an error of class Incomplete: a page link missed would cut
// the listing short.
func NextLinks(h http.Header) (map[string]string, error) {
	links := make(map[string]string)
	size, count := 0, 0
	for _, line := range h.Values("Link") {
		if size += len(line); size > maxLinkHeader {
			return nil, connectors.Errorf(connectors.Incomplete, "Link header is larger than %d KiB", maxLinkHeader>>10)
		}
		p := linkParser{text: line}
		for {
			link, ok, err := p.next()
			if err != nil {
				return nil, connectors.Errorf(connectors.Incomplete, "Link header: %w", err)
			}
			if !ok {
				break
			}
			if count++; count > maxLinks {
				return nil, connectors.Errorf(connectors.Incomplete, "Link header holds more than %d links", maxLinks)
			}
			if link.anchored {
				continue
			}
			for rel := range strings.FieldsSeq(strings.ToLower(link.rel)) {
				if other, ok := links[rel]; ok && other != link.target {
					return nil, connectors.Errorf(connectors.Incomplete, "Link header names two targets for rel=%q", clip(clean(rel), maxCode))
				}
				links[rel] = link.target
			}
		}
	}
	return links, nil
}

// link is one link-value.
type link struct {
	target, rel string
	anchored    bool
}

// linkParser reads one header line from left to right.
type linkParser struct {
	text string
	at   int
}

var (
	errLinkStart  = errors.New("a link does not start with <")
	errLinkEnd    = errors.New("a link is not closed by >")
	errLinkParam  = errors.New("a parameter has no name")
	errLinkQuote  = errors.New("a quoted parameter is not closed")
	errLinkAfter  = errors.New("something other than ; or , follows a link or parameter")
	errLinkTarget = errors.New("a link has no target")
)

func (p *linkParser) next() (link, bool, error) {
	// Empty list elements are allowed (RFC 9110, section 5.6.1).
	p.skip(" \t,")
	if p.at == len(p.text) {
		return link{}, false, nil
	}
	if p.text[p.at] != '<' {
		return link{}, false, errLinkStart
	}
	target, rest, ok := strings.Cut(p.text[p.at+1:], ">")
	if !ok {
		return link{}, false, errLinkEnd
	}
	l := link{target: strings.TrimSpace(target)}
	if l.target == "" {
		return link{}, false, errLinkTarget
	}
	p.at = len(p.text) - len(rest)
	seen := false
	for {
		p.skip(" \t")
		switch {
		case p.at == len(p.text):
			return l, true, nil
		case p.text[p.at] == ',':
			p.at++
			return l, true, nil
		case p.text[p.at] != ';':
			return link{}, false, errLinkAfter
		}
		p.at++
		p.skip(" \t;")
		if p.at == len(p.text) || p.text[p.at] == ',' {
			continue // a semicolon at the end
		}
		name, value, err := p.param()
		if err != nil {
			return link{}, false, err
		}
		switch strings.ToLower(name) {
		case "rel":
			// Only the first counts (RFC 8288, section 3.3).
			if !seen {
				l.rel, seen = value, true
			}
		case "anchor":
			l.anchored = true
		}
	}
}

// param reads name, or name=value with the value as token or quoted string.
func (p *linkParser) param() (string, string, error) {
	name := p.until(" \t=;,")
	if name == "" {
		return "", "", errLinkParam
	}
	p.skip(" \t")
	if p.at == len(p.text) || p.text[p.at] != '=' {
		return name, "", nil
	}
	p.at++
	p.skip(" \t")
	if p.at == len(p.text) || p.text[p.at] != '"' {
		return name, p.until(" \t;,"), nil
	}
	p.at++
	var value strings.Builder
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return name, value.String(), nil
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			value.WriteByte(p.text[p.at])
		default:
			value.WriteByte(c)
		}
	}
	return "", "", errLinkQuote
}

func (p *linkParser) skip(set string) {
	for p.at < len(p.text) && strings.IndexByte(set, p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *linkParser) until(set string) string {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(set, p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[start:p.at]
}
