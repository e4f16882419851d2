package okta

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/inorder"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// delta reads what changed since the cursor. No single thing Okta offers tells
// all of it, so several are put together:
//
//   - users by lastUpdated, groups by lastUpdated and lastMembershipUpdated:
//     whole records, cheaply, but nothing of what was deleted or unassigned;
//   - the System Log: what was deleted, locked, assigned and unassigned, and
//     whatever a list that lags did not show. It only says where to look.
//
// The log is asked first: what happens after that is told the next time.
func (r *reading) delta(ctx context.Context) error {
	c, err := r.openCursor()
	if err != nil {
		return err
	}
	h, err := r.poll(ctx, c)
	if err != nil {
		return err
	}
	next := c
	next.Since, next.Seen = h.at.Unix(), h.seen
	r.next = &next
	if r.settings.App != "" {
		return r.appDelta(ctx, c, h)
	}
	if err := r.changedUsers(ctx, c, h); err != nil {
		return err
	}
	if err := r.changedGroups(ctx, c, h); err != nil {
		return err
	}
	return r.named(ctx, c, h)
}

func (r *reading) wants(kind identity.Kind) bool { return slices.Contains(r.query.Kinds, kind) }

// after is a filter for times after at. Okta has gt for users and for groups, ge
// for users alone.
func after(property string, at time.Time) string {
	return property + " gt " + quoted(at.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// usersSince is the listing of users who changed, of every status.
func (r *reading) usersSince(at time.Time) string {
	return "/api/v1/users?" + url.Values{"limit": {strconv.Itoa(r.pageSize(maxPage))}, "filter": {after("lastUpdated", at)}}.Encode()
}

// changedUsers lists the users who changed, and takes them off those to look at.
func (r *reading) changedUsers(ctx context.Context, c cursor, h *hints) error {
	if !r.wants(identity.User) {
		clear(h.users)
		return nil
	}
	for p, err := range pages(ctx, r.client, r.usersSince(c.from()), userID) {
		if err != nil {
			return rest.Wrap("list users that changed", identity.Ref{}, refused(err))
		}
		for _, u := range p.items {
			if err := r.emit(r.users.user(u, nil, p.date)); err != nil {
				return err
			}
			delete(h.users, userID(u))
		}
	}
	return nil
}

// changedGroups lists the groups that changed, with the members of those whose
// members did, and takes them off those to look at.
func (r *reading) changedGroups(ctx context.Context, c cursor, h *hints) error {
	if !r.wants(identity.Group) {
		clear(h.groups)
		return nil
	}
	p := inorder.New(ctx, r.width(), r.emit)
	defer p.Close()
	target := "/api/v1/groups?" + url.Values{
		"limit":  {strconv.Itoa(r.pageSize(maxPage))},
		"filter": {after("lastUpdated", c.from()) + " or " + after("lastMembershipUpdated", c.from())},
	}.Encode()
	for page, err := range pages(ctx, r.client, target, groupID) {
		if err != nil {
			return rest.Wrap("list groups that changed", identity.Ref{}, refused(err))
		}
		for _, g := range page.items {
			if err := r.group(p, g, page.date); err != nil {
				return err
			}
			delete(h.groups, groupID(g))
		}
	}
	return p.Finish()
}

// refused says what it means that Okta refuses a list by time: only a full read
// can go on.
func refused(err error) error {
	switch connectors.ClassOf(err) {
	case connectors.Forbidden, connectors.Rejected, connectors.Unsupported:
		return connectors.Errorf(connectors.Expired, "changes cannot be listed (%w): read in full", err)
	}
	return err
}

// named reads, one by one, what the log names and no list showed: whatever was
// deleted, above all.
func (r *reading) named(ctx context.Context, c cursor, h *hints) error {
	if len(h.users)+len(h.groups) > c.few() {
		return expired("more has changed than is worth reading one by one")
	}
	p := inorder.New(ctx, r.width(), r.emit)
	defer p.Close()
	for _, id := range slices.Sorted(maps.Keys(h.users)) {
		err := p.Start(func(ctx context.Context, send func(...connectors.Event) error) error {
			return r.onlyUser(ctx, connectors.Key{Kind: identity.User, ID: id}, send)
		})
		if err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(h.groups)) {
		known := r.knownVersion(id)
		err := p.Start(func(ctx context.Context, send func(...connectors.Event) error) error {
			return r.groupByID(ctx, id, known, send)
		})
		if err != nil {
			return err
		}
	}
	return p.Finish()
}
