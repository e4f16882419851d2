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
	Patch      flag            `json:"patch"`
	ETag       flag            `json:"etag"`
	Pagination paginationFacts `json:"pagination"`
	// Users and Groups say whether the kind is among the ResourceTypes.
	Users  flag `json:"users"`
	Groups flag `json:"groups"`
}

// paginationFacts is the pagination member RFC 9865, section 4, adds to the
// ServiceProviderConfig.
type paginationFacts struct {
	Index       flag `json:"index"`
	Cursor      flag `json:"cursor"`
	MaxPageSize int  `json:"max_page_size"`
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
	s := t.session(ctx)
	if err := s.discover(ctx); err != nil {
		return nil, s.wrap("open target", identity.Ref{}, err)
	}
	s.describe(t.settings.address(), t.settings.Limits.merge(t.product))
	return s, nil
}

// session returns one that knows nothing yet.
func (t *target) session(ctx context.Context) *session {
	log := t.rt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &session{
		client: t.client, base: t.base, log: log, product: t.product, dialect: t.dialect, passwordHint: t.passwordHint(ctx),
	}
}

// discover asks three questions at once. Only the third, one page of users, can
// fail: discovery documents are often absent, and may be public, so that they
// prove nothing about the credential.
func (s *session) discover(ctx context.Context) error {
	var config, types document
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		config = s.document(ctx, "ServiceProviderConfig")
		return nil
	})
	group.Go(func() error {
		types = s.document(ctx, "ResourceTypes")
		return nil
	})
	group.Go(func() error { return s.prove(ctx) })
	if err := group.Wait(); err != nil {
		return err
	}
	s.facts = readFacts(config.is, types.is)
	s.guessed = config.failed || types.failed
	return nil
}

// document is what a target says of itself.
type document struct {
	is map[string]any // nil where it cannot be had
	// failed says that it may be had the next time.
	failed bool
}

func (s *session) document(ctx context.Context, name string) document {
	resp, err := s.send(ctx, http.MethodGet, s.at(name), nil, "")
	if err == nil {
		defer resp.Body.Close()
		var object map[string]any
		if object, err = readObject(resp, discoveryBytes, rest.MaxValues); err == nil {
			return document{is: object}
		}
	}
	s.log.Debug("discovery document not available", "document", name, "class", string(connectors.ClassOf(err)))
	return document{failed: !isClass(err, connectors.Missing, connectors.Unsupported, connectors.Forbidden)}
}

// readFacts reads the discovery documents; either may be nil.
func readFacts(config, types map[string]any) facts {
	f := facts{Patch: supported(config, "patch"), ETag: supported(config, "etag")}
	if p, ok := lookup(config, "pagination").(map[string]any); ok {
		f.Pagination = paginationFacts{
			Index: flagOf(lookup(p, "index")), Cursor: flagOf(lookup(p, "cursor")),
			MaxPageSize: smallNumber(lookup(p, "maxPageSize")),
		}
	}
	list, ok := lookup(types, "Resources").([]any)
	if !ok || len(list) == 0 {
		return f
	}
	f.Users, f.Groups = no, no
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			continue
		}
		switch strings.ToLower(strings.Trim(text(object, "endpoint"), "/")) {
		case "users":
			f.Users = yes
		case "groups":
			f.Groups = yes
		}
	}
	if f.Users == no && f.Groups == no {
		// Endpoints written in some other way say nothing.
		f.Users, f.Groups = unsaid, unsaid
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
	p := s.facts.Pagination
	switch {
	case s.product.Paging != "":
		return s.product.Paging
	case p.Cursor == yes && p.Index != yes:
		return cursorPaging
	}
	return indexPaging
}

// pageSize is the count to ask for.
func (s *session) pageSize() int {
	size := firstPositive(s.profile.Limits.PageSize, defaultPageSize)
	if most := s.facts.Pagination.MaxPageSize; most > 0 {
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
