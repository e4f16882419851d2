package ledger

import (
	"testing"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// TestReads holds one read after small() each, and what it leaves.
func TestReads(t *testing.T) {
	t.Parallel()
	onlyUsers := Checkpoint{Full: []identity.Kind{identity.User}, NoLinks: true, At: later()}
	again := Checkpoint{Full: identity.Kinds(), At: later()}
	only := Checkpoint{Only: true, At: later()}
	a1 := upsert(record(user("a"), "1", map[string]any{"login": "a@example.com", "n": 1.0}))
	b1 := upsert(record(user("b"), "1", map[string]any{"login": "b@example.com"}))
	g1 := upsert(record(group("g"), "1", map[string]any{"name": "G"}))
	g2 := upsert(record(group("g"), "2", map[string]any{"name": "G"}))
	both := []identity.Ref{user("a"), user("b")}
	for _, c := range []struct {
		name    string
		cp      Checkpoint
		events  []event
		state   map[identity.Ref]State
		why     map[identity.Ref]string
		members []identity.Ref
		links   LinksState
		dirty   []string
		fields  map[string]any // of user a; nil: as before
	}{
		{
			name: "an absent user is gone and nobody knows why",
			cp:   again, events: []event{a1, g1, closes(group("g"), LinksComplete, user("a"))},
			state: map[identity.Ref]State{user("b"): StateGone}, members: both[:1], links: LinksComplete,
			dirty: []string{"user:b", "group:g"},
		},
		{
			name: "absence counts for full kinds only",
			cp:   onlyUsers, events: []event{a1},
			state: map[identity.Ref]State{user("b"): StateGone}, members: both, links: LinksComplete, dirty: []string{"user:b"},
		},
		{
			name: "a delta takes nobody for absent",
			cp:   delta("c2"), events: nil, members: both, links: LinksComplete,
		},
		{
			name: "a kind with an unreadable stranger takes nobody for absent",
			cp:   onlyUsers, events: []event{a1, unreadable(user(""), "page 3 held garbage")}, members: both, links: LinksComplete,
		},
		{
			name: "an unreadable object is not absent and keeps its fields",
			cp:   onlyUsers, events: []event{unreadable(user("a"), "no login"), b1},
			state: map[identity.Ref]State{user("a"): StateUnreadable}, why: map[identity.Ref]string{user("a"): "no login"},
			members: both, links: LinksComplete, dirty: []string{"user:a"},
		},
		{
			name: "an object that was never read is shielded all the same",
			cp:   delta("c2"), events: []event{unreadable(user("x"), "no login")},
			state: map[identity.Ref]State{user("x"): StateUnreadable}, why: map[identity.Ref]string{user("x"): "no login"},
			members: both, links: LinksComplete, dirty: []string{"user:x"},
		},
		{
			name: "gone with a cause",
			cp:   delta("c2"), events: []event{gone(user("b"), identity.CauseUnassigned), gone(user("never"), identity.CauseGone)},
			state: map[identity.Ref]State{user("b"): StateGone}, why: map[identity.Ref]string{user("b"): "unassigned"},
			members: both, links: LinksComplete, dirty: []string{"user:b"},
		},
		{
			name: "a gone group has no members",
			cp:   delta("c2"), events: []event{gone(group("g"), identity.CauseGone)},
			state: map[identity.Ref]State{group("g"): StateGone}, why: map[identity.Ref]string{group("g"): "gone"},
			links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "a partial record is merged, nil clears",
			cp:   delta("c2"), events: []event{partial(user("a"), "2", map[string]any{"n": nil, "title": "x"})},
			members: both, links: LinksComplete, dirty: []string{"user:a"},
			fields: map[string]any{"login": "a@example.com", "title": "x"},
		},
		{
			name: "partial records add up, also over a whole one of the same read",
			cp:   delta("c2"), events: []event{
				upsert(record(user("a"), "2", map[string]any{"login": "new@example.com", "n": 2.0})),
				partial(user("a"), "3", map[string]any{"n": nil}), partial(user("a"), "4", map[string]any{"m": 3.0}),
			},
			members: both, links: LinksComplete, dirty: []string{"user:a"},
			fields: map[string]any{"login": "new@example.com", "m": 3.0},
		},
		{
			name: "of two records the later counts, back to what is mirrored",
			cp:   delta("c2"), events: []event{upsert(record(user("a"), "2", map[string]any{"login": "new@example.com"})), a1},
			members: both, links: LinksComplete,
		},
		{
			name: "gone and back within one read",
			cp:   delta("c2"), events: []event{gone(user("a"), identity.CauseGone), a1}, members: both, links: LinksComplete,
		},
		{
			name: "unreadable after readable",
			cp:   delta("c2"), events: []event{a1, unreadable(user("a"), "gibberish")},
			state: map[identity.Ref]State{user("a"): StateUnreadable}, why: map[identity.Ref]string{user("a"): "gibberish"},
			members: both, links: LinksComplete, dirty: []string{"user:a"},
		},
		{
			name: "a full read replaces links",
			cp:   again, events: []event{a1, b1, g1, link(group("g"), user("b")), closes(group("g"), LinksComplete)},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "a full read may empty a group",
			cp:   again, events: []event{a1, b1, g1, closes(group("g"), LinksComplete)},
			links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "unchanged keeps links, and a new version alone marks nothing",
			cp:   again, events: []event{a1, b1, g2, closes(group("g"), LinksUnchanged)}, members: both, links: LinksComplete,
		},
		{
			name: "unknown keeps links and says so",
			cp:   again, events: []event{a1, b1, g1, link(group("g"), user("a")), closes(group("g"), LinksUnknown)},
			members: both, links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "a group that was not closed is unknown",
			cp:   again, events: []event{a1, b1, g1, link(group("g"), user("a"))},
			members: both, links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "members after the close make it unknown",
			cp:   again, events: []event{a1, b1, g1, closes(group("g"), LinksComplete), link(group("g"), user("a"))},
			members: both, links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "a read without links leaves them alone",
			cp:   Checkpoint{Full: identity.Kinds(), NoLinks: true, At: later()}, events: []event{a1, b1, g2},
			members: both, links: LinksComplete,
		},
		{
			name: "a delta applies link and unlink, the later counts",
			cp:   delta("c2"), events: []event{
				unlink(group("g"), user("a")), link(group("g"), group("h")), link(group("g"), user("c")), unlink(group("g"), user("c")),
				closes(group("g"), LinksComplete),
			},
			members: []identity.Ref{user("b"), group("h")}, links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "unchanged does not take back what an earlier page said",
			cp:   delta("c2"), events: []event{
				unlink(group("g"), user("a")), closes(group("g"), LinksComplete), g1, closes(group("g"), LinksUnchanged),
			},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "unchanged and yet with members",
			cp:   delta("c2"), events: []event{link(group("g"), user("c")), closes(group("g"), LinksUnchanged)},
			members: both, links: LinksUnknown, dirty: []string{"group:g"},
		},
		{
			name: "members that are given replace, also in a delta",
			cp:   delta("c2"), events: []event{closes(group("g"), LinksComplete, user("b"))},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "a read of single objects replaces",
			cp:   only, events: []event{g1, link(group("g"), user("b")), closes(group("g"), LinksComplete)},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "a group told twice: the later telling counts",
			cp:   again, events: []event{
				a1, b1, g1, link(group("g"), user("a")), link(group("g"), user("b")), closes(group("g"), LinksComplete),
				g1, link(group("g"), user("b")), closes(group("g"), LinksComplete),
			},
			members: both[1:], links: LinksComplete, dirty: []string{"group:g"},
		},
		{
			name: "a group closed twice is closed",
			cp:   again, events: []event{
				a1, b1, g1, link(group("g"), user("a")), link(group("g"), user("b")), closes(group("g"), LinksComplete), closes(group("g"), LinksComplete),
			},
			members: both, links: LinksComplete,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			m := l.Mirror("src")
			read(t, m, full("c1"), small()...)
			dirtied(t, l)
			read(t, m, c.cp, c.events...)
			v := look(t, m)
			for ref, o := range v.Objects {
				want := StatePresent
				if s, ok := c.state[ref]; ok {
					want = s
				}
				if o.State != want || o.Why != c.why[ref] {
					t.Errorf("%s is %s (%s), want %s (%s)", ref, o.State, o.Why, want, c.why[ref])
				}
				if since := map[bool]time.Time{true: noon(), false: later()}[want == StatePresent]; !o.Since.Equal(since) {
					t.Errorf("%s: since %v, want %v", ref, o.Since, since)
				}
			}
			for ref := range c.state {
				if _, ok := v.Objects[ref]; !ok {
					t.Errorf("%s is not mirrored", ref)
				}
			}
			same(t, "members", v.Members[group("g")], c.members)
			if g := v.Objects[group("g")]; g.LinksState != c.links || (g.LinksState == LinksUnknown) != (g.LinksWhy != "") {
				t.Errorf("links are %s (%s), want %s", g.LinksState, g.LinksWhy, c.links)
			}
			same(t, "dirty", dirtied(t, l), c.dirty)
			if c.fields == nil {
				c.fields = map[string]any{"login": "a@example.com", "n": 1.0}
			}
			same(t, "fields", v.Objects[user("a")].Record.Fields, c.fields)
		})
	}
}
