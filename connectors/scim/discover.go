package scim

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// facts are what discovery and the first request say (RFC 7644, section 4).
// All of it is advice, except that the credential works.
type facts struct {
	patch, etag flag
	// maxResults is filter.maxResults; 0 is unknown.
	maxResults int
	pagination paginationFacts
	product    string
	groups     flag // the kind is among the ResourceTypes
	users      flag
}

// paginationFacts is the pagination member RFC 9865, section 4, adds to the
// ServiceProviderConfig.
type paginationFacts struct {
	index, cursor flag
	maxPageSize   int
}

// flag is yes, no, or not said.
type flag int

const (
	unsaid flag = iota
	yes
	no
)

func (f flag) or(otherwise bool) bool {
	switch f {
	case yes:
		return true
	case no:
		return false
	case unsaid:
	}
	return otherwise
}

// Open asks the target what it can do and proves that the credential works. It
// fails with class Unauthorized when the credential is refused, and Unsupported
// when there is no SCIM service to be had.
func (t *target) Open(ctx context.Context) (connectors.Session, error) {
	log := t.rt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &session{client: t.client, base: t.base, log: log, product: t.product, dialect: t.dialect}
	hint := t.passwordHint(ctx)
	if err := s.discover(ctx); err != nil {
		if hint != "" && isClass(err, connectors.Unauthorized) {
			err = fmt.Errorf("%w (%s)", err, hint)
		}
		return nil, rest.Wrap("open target", identity.Ref{}, err)
	}
	s.profile = s.describe(t.settings.address(), t.settings.Limits.merge(t.product))
	if hint != "" {
		s.profile.Notes = append(s.profile.Notes, hint)
	}
	return s, nil
}

// discover asks three questions at once. Only the third, one page of users, can
// fail: discovery documents are often absent, and may be public, so that they
// prove nothing about the credential.
func (s *session) discover(ctx context.Context) error {
	var config, types map[string]any
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		config = s.document(ctx, "ServiceProviderConfig")
		return nil
	})
	group.Go(func() error {
		types = s.document(ctx, "ResourceTypes")
		return nil
	})
	group.Go(func() error { return s.proveCredential(ctx) })
	if err := group.Wait(); err != nil {
		return err
	}
	s.facts = readFacts(config, types)
	return nil
}

// document reads a discovery document; nil where it cannot be had.
func (s *session) document(ctx context.Context, name string) map[string]any {
	resp, err := s.send(ctx, http.MethodGet, s.at(name), nil, "")
	if err == nil {
		defer resp.Body.Close()
		var object map[string]any
		if object, err = readObject(resp, discoveryBytes); err == nil {
			return object
		}
	}
	s.log.Debug("discovery document not available", "document", name, "class", string(connectors.ClassOf(err)))
	return nil
}

// proveCredential reads one user: the least request every target answers.
func (s *session) proveCredential(ctx context.Context) error {
	q := query{{"count", "1"}}
	if s.product.Paging != cursorPaging {
		q = query{{"startIndex", "1"}, {"count", "1"}}
	}
	resp, err := s.send(ctx, http.MethodGet, withQuery(s.at("Users"), q), nil, "")
	if err == nil {
		defer resp.Body.Close()
		var page listPage
		page, err = readPage(resp, identity.User, pageBytes)
		s.learnTotals(page)
		s.learned.ignoresCount.Store(page.count > 1)
	}
	switch connectors.ClassOf(err) {
	case connectors.Unsupported:
		edition := "it is not in this edition, or is not switched on"
		if s.product.Name == "collate" {
			edition = "SCIM is in Collate's managed edition only, where Collate switches it on; the open-source OpenMetadata does not have it"
		}
		return connectors.Errorf(connectors.Unsupported, "the target does not implement SCIM: %s: %w", edition, err)
	case connectors.Missing:
		return connectors.Errorf(connectors.Unsupported, "there is no SCIM service below the configured url; check its path: %w", err)
	case connectors.Forbidden:
		return connectors.Errorf(connectors.Unauthorized, "the credential may not read users; give it the right to provision: %w", err)
	}
	if err != nil {
		return fmt.Errorf("read one user: %w", err)
	}
	return nil
}

// readFacts reads the discovery documents; either may be nil.
func readFacts(config, types map[string]any) facts {
	f := facts{
		patch: supported(config, "patch"),
		etag:  supported(config, "etag"),
	}
	if filter, ok := lookup(config, "filter").(map[string]any); ok {
		f.maxResults = smallNumber(lookup(filter, "maxResults"))
	}
	if p, ok := lookup(config, "pagination").(map[string]any); ok {
		f.pagination = paginationFacts{
			index: flagOf(lookup(p, "index")), cursor: flagOf(lookup(p, "cursor")),
			maxPageSize: smallNumber(lookup(p, "maxPageSize")),
		}
	}
	// Nothing in RFC 7643, section 5, names the product; documentationUri is
	// the nearest a target says about itself.
	f.product = text(config, "documentationUri")
	list, ok := lookup(types, "Resources").([]any)
	if !ok || len(list) == 0 {
		return f
	}
	f.users, f.groups = no, no
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			continue
		}
		switch strings.ToLower(strings.Trim(text(object, "endpoint"), "/")) {
		case "users":
			f.users = yes
		case "groups":
			f.groups = yes
		}
	}
	if f.users == no && f.groups == no {
		// Endpoints written in some other way say nothing.
		f.users, f.groups = unsaid, unsaid
	}
	return f
}

func supported(config map[string]any, name string) flag {
	object, ok := lookup(config, name).(map[string]any)
	if !ok {
		return unsaid
	}
	return flagOf(lookup(object, "supported"))
}

func flagOf(v any) flag {
	b, ok := boolean(v)
	switch {
	case !ok:
		return unsaid
	case b:
		return yes
	}
	return no
}

// smallNumber reads a bound that makes sense for a page; 0 is unknown.
func smallNumber(v any) int {
	if n := wholeNumber(v); n > 0 && n <= maxPage {
		return int(n)
	}
	return 0
}

// pagingMethod decides how listings are continued: the profile, then what is
// advertised.
func (s *session) pagingMethod() paging {
	p := s.facts.pagination
	switch {
	case s.product.Paging != "":
		return s.product.Paging
	case p.cursor == yes && p.index != yes:
		return cursorPaging
	}
	return indexPaging
}

// pageSize is the count to ask for.
func (s *session) pageSize() int {
	size := firstPositive(s.profile.Limits.PageSize, defaultPageSize)
	if most := s.facts.pagination.maxPageSize; most > 0 {
		size = min(size, most)
	}
	return size
}

// passwordHint checks the product's rule for basic passwords. It says what is
// wrong and never the value.
func (t *target) passwordHint(ctx context.Context) string {
	r := t.product.Rules
	if t.settings.Auth.Basic == nil || r.PasswordLonger == 0 && !r.PasswordSpecial {
		return ""
	}
	password, err := t.settings.Auth.Basic.Password.Resolve(ctx)
	if err != nil {
		// The transport reads it again and says where it is missing.
		return ""
	}
	var wrong []string
	if len([]rune(password)) <= r.PasswordLonger {
		wrong = append(wrong, fmt.Sprintf("more than %d characters", r.PasswordLonger))
	}
	special := strings.ContainsFunc(password, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	if r.PasswordSpecial && !special {
		wrong = append(wrong, "a special character")
	}
	if len(wrong) == 0 {
		return ""
	}
	return fmt.Sprintf("%s takes a basic password only with %s; the one from %s has not",
		t.product.Product, strings.Join(wrong, " and "), t.settings.Auth.Basic.Password)
}
