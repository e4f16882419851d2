package okta

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

const (
	logPath = "/api/v1/logs"
	// logPage is the largest page of the System Log.
	logPage = 1000
	// maxLogPages is how much of the log is read before a full read is cheaper;
	// Okta grants few requests a minute for it.
	maxLogPages = 20
)

// The wire types of an entry of the System Log (management API, schema LogEvent).
type (
	wireEvent struct {
		UUID      any         `json:"uuid"`
		Type      any         `json:"eventType"`
		Published any         `json:"published"`
		Actor     wireActor   `json:"actor"`
		Target    []wireActor `json:"target"`
	}
	wireActor struct {
		ID   any `json:"id"`
		Type any `json:"type"`
	}
)

// named returns the ids of the targets of a type, such as User or UserGroup.
func (e wireEvent) named(kind string) []string {
	var ids []string
	for _, t := range e.Target {
		if id := text(t.ID); text(t.Type) == kind && isID(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// hints is what the System Log says has changed. The log is asked which objects
// to look at and never what became of them: its entries come late and out of
// order, and say nothing of an object's state.
type hints struct {
	at     time.Time // when the log was asked, by Okta's clock
	users  map[string]struct{}
	groups map[string]struct{}
	// joined are the users who entered or left a group, by group.
	joined map[string][]string
	// reassigned says that groups were assigned to the app or taken from it
	// since the last full read.
	reassigned bool
	seen       []string
}

// logFilter selects the entries that concern what is read
// (developer.okta.com, reference/api/event-types).
func (s *Source) logFilter() string {
	terms := []string{
		`eventType sw "user.lifecycle."`, `eventType sw "user.account."`, `eventType sw "group.user_membership."`,
	}
	if s.settings.App == "" {
		terms = append(terms, `eventType sw "group.lifecycle."`, `eventType sw "group.profile."`)
	} else {
		terms = append(terms, `(target.id eq `+quoted(s.settings.App)+
			` and (eventType sw "application.user_membership." or eventType sw "group.application_assignment."))`)
	}
	return strings.Join(terms, " or ")
}

// poll asks the System Log what was told since the cursor was taken. It sends
// what Okta calls a polling request, without until: entries are selected by the
// time at which they were kept, so that those which come late are not skipped, and
// every page has a link to a next one (reference/system-log-query, "Polling
// requests"). The end is therefore an empty page, or one that has reached the
// moment of the first request.
func (r *reading) poll(ctx context.Context, c cursor) (*hints, error) {
	h := &hints{users: map[string]struct{}{}, groups: map[string]struct{}{}, joined: map[string][]string{}}
	known := make(map[string]struct{}, len(c.Seen))
	for _, uuid := range c.Seen {
		known[uuid] = struct{}{}
	}
	target := logPath + "?" + url.Values{
		"since": {c.from().UTC().Format(time.RFC3339)}, "sortOrder": {"ASCENDING"},
		"limit": {strconv.Itoa(logPage)}, "filter": {r.logFilter()},
	}.Encode()
	for visited := map[string]struct{}{}; ; {
		visited[target] = struct{}{}
		a, err := r.client.get(ctx, target)
		if err != nil {
			return nil, logError(err)
		}
		if len(visited) == 1 {
			if !a.dated {
				return nil, expired("Okta's answers do not say when they were given")
			}
			if h.at = a.date; h.at.Sub(time.Unix(c.Since, 0)) >= retention {
				return nil, expired("the cursor is older than the System Log")
			}
		}
		entries, err := decodeList[wireEvent](a.body)
		if err != nil {
			return nil, connectors.Errorf(connectors.Incomplete, "GET %s: %w", logPath, err)
		}
		reached := len(entries) == 0
		for _, e := range entries {
			at, err := h.note(e, known, time.Unix(c.Full, 0))
			if err != nil {
				return nil, err
			}
			// Date has whole seconds: what bears the same one may be earlier.
			reached = reached || !at.Before(h.at.Add(time.Second))
		}
		_, again := visited[a.next]
		switch {
		case reached || a.next == "" && len(entries) < logPage:
			if more := len(h.seen) - maxSeen; more > 0 {
				h.seen = h.seen[more:]
			}
			return h, nil
		case a.next == "" || again:
			return nil, connectors.Errorf(connectors.Incomplete,
				"GET %s: a page does not lead to the next one: a proxy may be rewriting Link headers", logPath)
		case len(visited) == maxLogPages:
			return nil, expired("more has happened than is worth telling one by one")
		}
		target = a.next
	}
}

// logError says what it means that the log cannot be read. Where Okta refuses,
// only a full read can go on.
func logError(err error) error {
	switch connectors.ClassOf(err) {
	case connectors.Forbidden, connectors.Missing, connectors.Rejected, connectors.Unsupported:
		return connectors.Errorf(connectors.Expired, "the System Log cannot be read (%w): read in full", err)
	}
	return rest.Wrap("read the System Log", identity.Ref{}, err)
}

// note takes an entry and returns when it was published. Known are the entries
// that were dealt with; full is when the last full read began.
func (h *hints) note(e wireEvent, known map[string]struct{}, full time.Time) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text(e.Published))
	if err != nil || text(e.Type) == "" {
		return time.Time{}, expired("the System Log holds an entry in a form that is not understood")
	}
	uuid := text(e.UUID)
	// An entry so young may be ahead of what it tells of, so that it is looked
	// at once more.
	if uuid != "" && h.at.Sub(at) >= settling {
		h.seen = append(h.seen, uuid)
	}
	if _, done := known[uuid]; !done {
		return at, h.take(e, at.After(full.Add(-margin)))
	}
	return at, nil
}

// take notes what an entry names. An entry of which something hangs that no list
// shows, and that does not say whom it is about, calls for a full read. Types
// that are not known here mean nothing to it.
func (h *hints) take(e wireEvent, fresh bool) error {
	kind := text(e.Type)
	users, groups := e.named("User"), e.named("UserGroup")
	is := func(prefix string) bool { return strings.HasPrefix(kind, prefix) }
	switch {
	case is("user.lifecycle.") || slices.Contains(accountEvents(), kind):
		if len(users) == 0 && text(e.Actor.Type) == "User" && isID(text(e.Actor.ID)) {
			users = []string{text(e.Actor.ID)} // who did it to themselves
		}
		if len(users) == 0 && is("user.lifecycle.delete.") {
			return unnamed(kind)
		}
		add(h.users, users)
	case is("application.user_membership."):
		if len(users) == 0 && (kind == "application.user_membership.add" || kind == "application.user_membership.remove") {
			return unnamed(kind)
		}
		add(h.users, users)
	case is("group.application_assignment."):
		h.reassigned = h.reassigned || fresh
	case kind == "group.user_membership.add" || kind == "group.user_membership.remove":
		add(h.groups, groups)
		for _, group := range groups {
			h.joined[group] = append(h.joined[group], users...)
		}
	case is("group.lifecycle.") || is("group.profile."):
		if len(groups) == 0 && kind == "group.lifecycle.delete" {
			return unnamed(kind)
		}
		add(h.groups, groups)
	}
	return nil
}

func unnamed(kind string) error {
	return expired("an entry " + kind + " of the System Log does not say whom it is about")
}

func add(to map[string]struct{}, ids []string) {
	for _, id := range ids {
		to[id] = struct{}{}
	}
}

// accountEvents are the entries about an account that come with another status or
// profile. The others (privileges, second factors, tokens used) do not show.
func accountEvents() []string {
	return []string{
		"user.account.expire_password", "user.account.lock", "user.account.lock.limit", "user.account.reset_password",
		"user.account.unlock", "user.account.unlock_by_admin", "user.account.unlock_token",
		"user.account.update_password", "user.account.update_primary_email", "user.account.update_profile",
	}
}

// mark asks what a delta read needs before it is needed: whether the System Log,
// and for an app the list of users, can be read. It returns the time by Okta's
// clock, or in words why changes cannot be told; an error is the credential's or
// the context's.
func (s *Source) mark(ctx context.Context) (time.Time, string, error) {
	probes := []struct{ target, lost, scope string }{{
		logPath + "?" + url.Values{"limit": {"1"}, "filter": {s.logFilter()}}.Encode(), "entries of the System Log cannot be read", "okta.logs.read",
	}}
	if s.settings.App != "" {
		probes = append(probes, probes[0])
		probes[1].target, probes[1].lost, probes[1].scope = "/api/v1/users?limit=1", "users cannot be listed", "okta.users.read"
	}
	var at time.Time
	for i, p := range probes {
		a, err := s.client.get(ctx, p.target)
		switch {
		case connectors.ClassOf(err) == connectors.Forbidden:
			return time.Time{}, "changes cannot be told, because " + p.lost + ": " + s.grant(p.scope), nil
		case connectors.ClassOf(err) == connectors.Unauthorized || ctx.Err() != nil:
			return time.Time{}, "", rest.Wrap("check permissions", identity.Ref{}, err)
		case err != nil:
			return time.Time{}, "changes cannot be told, because " + p.lost + ": " + err.Error(), nil //nolint:nilerr // told in words: a full read needs no log
		case !a.dated:
			return time.Time{}, "changes cannot be told, because Okta's answers do not say when they were given: a proxy may be dropping Date headers", nil
		}
		if i == 0 {
			at = a.date
		}
	}
	return at, "", nil
}
