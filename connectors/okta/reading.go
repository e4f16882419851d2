package okta

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// errStopped unwinds a read whose consumer has had enough.
var errStopped = errors.New("stopped by the consumer")

// reading is one Read.
type reading struct {
	*Source
	query   connectors.Query
	emit    func(connectors.Event) error
	stopped bool
	found   int // records emitted
	full    []identity.Kind
	// next is where the next delta read starts; nil where there is none.
	next   *cursor
	users  projection
	groups projection
	// appExists proves once in a read that the app is there, so that an app
	// deleted or mistyped does not look like everybody having been unassigned.
	appExists func() error
}

func (r *reading) run(ctx context.Context) error {
	r.users, r.groups = project(r.query, identity.User), project(r.query, identity.Group)
	r.appExists = sync.OnceValue(func() error {
		_, err := r.app(ctx)
		return err
	})
	if len(r.query.Only) > 0 {
		return r.only(ctx)
	}
	if r.query.From != "" {
		return r.delta(ctx)
	}
	return r.everything(ctx)
}

// part is one kind's share of a full read. Its list is asked for before its turn, and
// one page waits until the parts before it are told.
type part struct {
	kind identity.Kind
	// tell emits what the list holds.
	tell func() error
	// near is closed when little is left to be read of the list.
	near <-chan struct{}
	// close ends the list's request in flight.
	close func()
}

// everything reads the kinds wanted from first to last. What changes meanwhile is
// told by a delta read that starts where this one does. A kind is asked for when the
// one before it is near its end: sooner would gain nothing, and leave a link to a
// second page to grow old. What is told keeps the order of the kinds.
//
// The mark is asked for alone. Where the credential is refused, nothing else is
// sent; and where others have used up the System Log, its refusal beside an answer
// would teach the transport a pace for all requests that is far too slow.
func (r *reading) everything(ctx context.Context) error {
	at, why, err := r.mark(ctx)
	if err != nil {
		return err
	}
	if why == "" {
		r.next = &cursor{
			Version: cursorVersion, Shape: r.shape(), Kinds: r.query.Kinds, Links: r.query.Links,
			Since: at.Unix(), Full: at.Unix(),
		}
	}
	var parts []part
	defer func() {
		for _, p := range parts {
			p.close()
		}
	}()
	var near <-chan struct{}
	for _, kind := range identity.Kinds() {
		if r.wants(kind) {
			p := r.ask(ctx, kind, near)
			parts, near = append(parts, p), p.near
		}
	}
	for _, p := range parts {
		if err := p.tell(); err != nil {
			return err
		}
		r.full = append(r.full, p.kind)
	}
	if r.next == nil {
		return nil
	}
	r.next.Size = r.found
	if r.settings.App != "" && !slices.Contains(r.query.Kinds, identity.Group) {
		assigned, err := r.assignedGroups(ctx)
		if err != nil {
			return err
		}
		r.next.Assigned = digest(assigned)
	}
	return nil
}

// ask asks for the first page of a kind, at once or when when is closed.
func (r *reading) ask(ctx context.Context, kind identity.Kind, when <-chan struct{}) part {
	switch {
	case kind == identity.User && r.settings.App == "":
		l := list(ctx, r.client, userID, when, r.allUsers()...)
		return part{kind, func() error { return r.tellUsers(l) }, l.near, l.close}
	case kind == identity.User:
		l := list(ctx, r.client, appUserID, when, r.appUsers())
		return part{kind, func() error { return r.tellAppUsers(ctx, l) }, l.near, l.close}
	case r.settings.App == "":
		l := list(ctx, r.client, groupID, when, r.allGroups())
		return part{kind, func() error { return r.tellGroups(ctx, l) }, l.near, l.close}
	default:
		l := list(ctx, r.client, appGroupID, when, r.appGroups())
		return part{kind, func() error { return r.tellAppGroups(ctx, l) }, l.near, l.close}
	}
}

func (r *reading) checkpoint() (connectors.Checkpoint, error) {
	end := connectors.Checkpoint{Full: r.full}
	var err error
	switch {
	case len(r.query.Only) > 0:
		end.Cursor = r.query.From
	case r.next != nil:
		end.Cursor, err = r.next.encode()
	}
	return end, err
}

// allUsers are the lists of the users that the plain list shows and of those it
// leaves out, to be read in this order, the second from when the first was answered
// to its end: a person deactivated meanwhile is seen at least once. Read side by
// side, somebody deactivated after the second list was answered, and before the
// first came to them, would be in neither.
func (r *reading) allUsers() []string {
	plain := url.Values{"limit": {strconv.Itoa(r.pageSize(maxPage))}}
	left := maps.Clone(plain)
	left.Set("filter", `status eq "DEPROVISIONED"`)
	return []string{"/api/v1/users?" + plain.Encode(), "/api/v1/users?" + left.Encode()}
}

func (r *reading) tellUsers(users *listing[wireUser]) error {
	for p, err := range users.pages {
		if err != nil {
			return rest.Wrap("list users", identity.Ref{}, err)
		}
		for _, u := range p.items {
			if err := r.emit(r.users.user(u, nil, p.date)); err != nil {
				return err
			}
		}
	}
	return nil
}

// appUsers is the list of the users assigned to the app, however they came to be.
func (r *reading) appUsers() string {
	query := url.Values{"limit": {strconv.Itoa(r.pageSize(maxAppUserPage))}, "expand": {"user"}}
	return r.appPath("users") + "?" + query.Encode()
}

func (r *reading) tellAppUsers(ctx context.Context, users *listing[wireAppUser]) error {
	for p, err := range users.pages {
		if err != nil {
			return rest.Wrap("list users of app "+r.settings.App, identity.Ref{}, err)
		}
		for _, u := range p.items {
			event, err := r.appUser(ctx, u, p.date)
			if err != nil {
				return err
			}
			if err := r.emit(event); err != nil {
				return err
			}
		}
	}
	return nil
}

// appUser makes the event of an assigned user, whose Okta user the answer holds
// or, where it was not embedded, is fetched.
func (r *reading) appUser(ctx context.Context, u wireAppUser, now time.Time) (connectors.Event, error) {
	ref := identity.Ref{Kind: identity.User, ID: appUserID(u)}
	if ref.ID == "" {
		return connectors.Unreadable{Ref: ref, Why: "a user of the app without an id"}, nil
	}
	inner := u.Embedded.User
	if inner == nil {
		inner = new(wireUser)
		a, err := r.client.object(ctx, "/api/v1/users/"+segment(ref.ID), inner)
		if err != nil {
			return r.objectError("read user", ref, err)
		}
		now = a.date
	}
	if userID(*inner) != ref.ID {
		return connectors.Unreadable{Ref: ref, Why: "its assignment to the app holds another user"}, nil
	}
	return r.users.user(*inner, &u, now), nil
}

// objectError says what the failure to read one object means: the object is
// gone, or shielded, or the read is over.
func (r *reading) objectError(op string, ref identity.Ref, err error) (connectors.Event, error) {
	switch {
	case notFound(err):
		return connectors.Gone{Ref: ref, Why: identity.CauseGone}, nil
	case connectors.ClassOf(err) == connectors.Forbidden:
		return connectors.Unreadable{Ref: ref, Why: err.Error()}, nil
	}
	return nil, rest.Wrap(op, ref, err)
}

// notFound reports whether Okta itself says that the object does not exist. A
// 404 of a proxy, or of an org that has moved, says nothing about a person.
func notFound(err error) bool {
	e := asError(err)
	return e != nil && e.Class == connectors.Missing && e.Code == codeNotFound
}

func asError(err error) *connectors.Error {
	e, _ := errors.AsType[*connectors.Error](err)
	return e
}

func (r *reading) appPath(segments ...string) string {
	var path strings.Builder
	path.WriteString("/api/v1/apps/" + segment(r.settings.App))
	for _, s := range segments {
		path.WriteString("/" + segment(s))
	}
	return path.String()
}

// pageSize returns the size set, or the largest Okta recommends for the list.
func (s *Source) pageSize(usual int) int {
	if n := s.settings.Limits.PageSize; n > 0 {
		return min(n, usual)
	}
	return usual
}
