package okta

import (
	"context"
	"errors"
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

// everything reads the kinds wanted from first to last. What changes meanwhile is
// told by a delta read that starts where this one does.
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
	for _, kind := range identity.Kinds() {
		if !slices.Contains(r.query.Kinds, kind) {
			continue
		}
		var err error
		switch {
		case kind == identity.User && r.settings.App == "":
			err = r.allUsers(ctx)
		case kind == identity.User:
			err = r.appUsers(ctx)
		case r.settings.App == "":
			err = r.allGroups(ctx)
		default:
			err = r.appGroups(ctx)
		}
		if err != nil {
			return err
		}
		r.full = append(r.full, kind)
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

// allUsers lists the users that the plain list shows, then those it leaves out.
// In this order a person deactivated meanwhile is seen at least once.
func (r *reading) allUsers(ctx context.Context) error {
	limit := strconv.Itoa(r.pageSize(maxPage))
	for _, query := range []url.Values{
		{"limit": {limit}},
		{"limit": {limit}, "filter": {`status eq "DEPROVISIONED"`}},
	} {
		for p, err := range pages(ctx, r.client, "/api/v1/users?"+query.Encode(), userID) {
			if err != nil {
				return rest.Wrap("list users", identity.Ref{}, err)
			}
			for _, u := range p.items {
				if err := r.emit(r.users.user(u, nil, p.date)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// appUsers lists the users assigned to the app, however they came to be.
func (r *reading) appUsers(ctx context.Context) error {
	query := url.Values{"limit": {strconv.Itoa(r.pageSize(maxAppUserPage))}, "expand": {"user"}}
	for p, err := range pages(ctx, r.client, r.appPath("users")+"?"+query.Encode(), appUserID) {
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
