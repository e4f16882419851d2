package scim

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// session is one opened target. Everything but learned is fixed when it is
// opened.
type session struct {
	client  *http.Client
	base    *url.URL
	log     *slog.Logger
	product product
	dialect dialect
	facts   facts
	// guessed says that discovery failed, so that facts may be wrong.
	guessed bool
	profile connectors.Profile
	// passwordHint says what is wrong with a basic password; empty: nothing.
	passwordHint string

	learned learned
}

// learned is what the session finds out while it works. It lives as long as
// the session; the agent keeps blindness in its binding.
type learned struct {
	// answered says that the service has shown a user or a group, or a listing
	// of them: it is there, and takes the credential.
	answered atomic.Bool
	blind    atomic.Bool // a group was shown empty right after members were given
	// membersShown says that a group was seen with members: reading works.
	membersShown atomic.Bool
	// inLists says whether listings show members: unknown, yes or no.
	inLists atomic.Int32
	// removalProven says that a removal was read back once and had happened.
	removalProven atomic.Bool
	putUsers      atomic.Bool // PATCH of users is not implemented
	putGroups     atomic.Bool
	// memberCap is the largest number of members a request was seen to take
	// after a larger one was refused; 0 is unknown.
	memberCap atomic.Int32
	// groupPage is the page size group listings were brought down to.
	groupPage atomic.Int32
	// totalsHonest says that totalResults is not just the size of the page.
	totalsHonest atomic.Bool
	// ignoresCount says that a page was longer than asked for.
	ignoresCount atomic.Bool
	// newGroups are the ids of groups made in this session: known to hold
	// nothing but what was given since.
	newGroups sync.Map
}

// The states of learned.inLists.
const (
	listsUnknown int32 = iota
	listsShow
	listsHide
)

// Profile returns what is known about the target. Members turns Blind when a
// group was shown empty right after members were given.
func (s *session) Profile() connectors.Profile {
	p := s.profile
	p.Pace, p.MembersInCreate = rest.PaceOf(s.client), s.postsMembers()
	if s.learned.blind.Load() && p.Members == connectors.MembersReadable {
		p.Members = connectors.MembersBlind
	}
	return p
}

func (s *session) membersReadable() bool {
	return s.profile.Members == connectors.MembersReadable && !s.learned.blind.Load()
}

// collection returns the name of the endpoint of a kind (RFC 7644, section 3.2).
func collection(k identity.Kind) string {
	if k == identity.Group {
		return "Groups"
	}
	return "Users"
}

// at returns the URL of an endpoint or, with an id, of one object.
func (s *session) at(segments ...string) *url.URL { return rest.JoinPath(s.base, segments...) }

func (s *session) object(k identity.Kind, id string) *url.URL { return s.at(collection(k), id) }

// withQuery returns the URL with the query.
func withQuery(u *url.URL, q query) *url.URL {
	out := *u
	out.RawQuery = q.String()
	return &out
}

// replaces reports whether objects of the kind are written by PUT.
func (s *session) replaces(k identity.Kind) bool {
	switch {
	case s.profile.ReplaceOnly:
		return true
	case k == identity.Group:
		return s.learned.putGroups.Load()
	}
	return s.learned.putUsers.Load()
}

// learnPut remembers that PATCH is not implemented for the kind.
func (s *session) learnPut(k identity.Kind) {
	flag := &s.learned.putUsers
	if k == identity.Group {
		flag = &s.learned.putGroups
	}
	if !flag.Swap(true) {
		s.log.Warn("the target does not implement PATCH; writing by PUT from now on", "kind", string(k))
	}
}

// learnBlind remembers that the target hides members.
func (s *session) learnBlind() {
	if !s.learned.blind.Swap(true) {
		s.log.Warn("the target shows a group empty right after members were given; its members cannot be read")
	}
}

func asError(err error) (*connectors.Error, bool) { return errors.AsType[*connectors.Error](err) }

// isClass reports whether err is of one of the classes.
func isClass(err error, classes ...connectors.Class) bool {
	if err == nil {
		return false
	}
	got := connectors.ClassOf(err)
	return slices.Contains(classes, got)
}

// wrap is rest.Wrap for what leaves the session: an error may repeat what an answer of
// 200 said, and that the credential.
func (s *session) wrap(op string, ref identity.Ref, err error) error {
	return rest.Wrap(op, ref, rest.ConcealError(s.client, err))
}

func (s *session) conceal(text string) string { return rest.Conceal(s.client, text) }
