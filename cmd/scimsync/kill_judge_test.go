package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

// truth is what a source shows: who is active, by userName in lower case, and who
// of the active is in which team.
type truth struct {
	active map[string]bool
	teams  map[string]map[string]bool
}

// judge decides from outside whether a sync that was killed did harm. What it
// knows of the sync's own view is the last part of it.
type judge struct {
	*gated
	truth func() truth
	// strangers are what is not the sync's to touch.
	strangers map[string]string
	// besides names what else is wrong in a scene; nil is nothing.
	besides func() []string
}

// newJudge takes everything at the application now for a stranger's, but for
// what our marks show to be ours.
func newJudge(w *gated, source func() truth) *judge {
	return &judge{gated: w, truth: source, strangers: map[string]string{}}
}

// admitStrangers puts people and groups of somebody else at the application.
func (j *judge) admitStrangers() {
	j.t.Helper()
	j.must(j.application.Seed(3))
	j.must(j.application.SeedGroups(1, 2))
	for _, r := range j.everything() {
		j.strangers[r.ID] = fmt.Sprint(r)
	}
}

func (j *judge) everything() []scimtest.Resource {
	return slices.Concat(j.application.Users(), j.application.Groups())
}

// harms returns everything that is not as it should be once a run has recovered.
func (j *judge) harms() []string {
	j.t.Helper()
	source := j.truth()
	out := slices.Concat(j.doubled(), j.strange(), j.lost(source), j.misplaced(source), j.takenAway(source), j.unsettled(source))
	if j.besides != nil {
		out = append(out, j.besides()...)
	}
	return out
}

// doubled names what stands more than once at the server.
func (j *judge) doubled() []string {
	var out []string
	for kind, list := range map[identity.Kind][]scimtest.Resource{identity.User: j.application.Users(), identity.Group: j.application.Groups()} {
		seen := map[string]int{}
		for _, r := range list {
			seen["the name "+strings.ToLower(r.Name)]++
			if r.ExternalID != "" {
				seen["the externalId "+r.ExternalID]++
			}
		}
		for _, what := range slices.Sorted(maps.Keys(seen)) {
			if n := seen[what]; n > 1 {
				out = append(out, fmt.Sprintf("%d of kind %s have %s", n, kind, what))
			}
		}
	}
	return out
}

// strange names what of others was touched.
func (j *judge) strange() []string {
	now := map[string]string{}
	for _, r := range j.everything() {
		now[r.ID] = fmt.Sprint(r)
	}
	var out []string
	for id, was := range j.strangers {
		if now[id] != was {
			out = append(out, fmt.Sprintf("a stranger was touched: %s is now %s", was, now[id]))
		}
	}
	return out
}

// lost names people who lack their account, and accounts that nobody at the
// source accounts for.
func (j *judge) lost(source truth) []string {
	var out []string
	accounts := map[string]scimtest.Resource{}
	for _, u := range j.application.Users() {
		if j.strangers[u.ID] != "" {
			continue
		}
		name := strings.ToLower(u.Name)
		accounts[name] = u
		if u.Active && !source.active[name] {
			out = append(out, u.Name+" has an active account and should not")
		}
	}
	for name, active := range source.active {
		if active && !accounts[name].Active {
			out = append(out, name+" has no active account")
		}
	}
	return out
}

// misplaced names active people who are in a group and should not be, or the
// other way round, and groups that there should or should not be.
func (j *judge) misplaced(source truth) []string {
	var out []string
	names := map[string]string{}
	for _, u := range j.application.Users() {
		names[u.ID] = strings.ToLower(u.Name)
	}
	groups := map[string]bool{}
	for _, g := range j.application.Groups() {
		if j.strangers[g.ID] != "" {
			continue
		}
		groups[g.Name] = true
		want, known := source.teams[g.Name]
		if !known {
			out = append(out, "there is no source of the group "+g.Name)
			continue
		}
		has := map[string]bool{}
		for _, id := range g.Members {
			if source.active[names[id]] {
				has[names[id]] = true
			}
		}
		if !maps.Equal(has, want) {
			out = append(out, fmt.Sprintf("the group %s has %d active members, want %d", g.Name, len(has), len(want)))
		}
	}
	for name := range source.teams {
		if !groups[name] {
			out = append(out, "the group "+name+" is missing")
		}
	}
	return out
}

// patchedValue finds the ids in a removal of members.
func patchedValue() *regexp.Regexp {
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
}

// takenAway names every write that took something away that the source still
// has: also one that a later write has made good.
func (j *judge) takenAway(source truth) []string {
	users, groups := map[string]string{}, map[string]string{}
	for _, u := range j.application.Users() {
		users[u.ID] = strings.ToLower(u.Name)
	}
	for _, g := range j.application.Groups() {
		groups[g.ID] = g.Name
	}
	ids := patchedValue()
	var out []string
	for _, r := range j.application.Log() {
		if r.Method == "DELETE" {
			out = append(out, "DELETE "+r.Path)
		}
		if r.Method != "PATCH" {
			continue
		}
		var body struct {
			Operations []struct {
				Op, Path string
				Value    json.RawMessage
			}
		}
		if err := json.Unmarshal(r.Body, &body); err != nil {
			out = append(out, fmt.Sprintf("%s %s: %v", r.Method, r.Path, err))
			continue
		}
		id := path.Base(r.Path)
		for _, o := range body.Operations {
			all := o.Path + string(o.Value)
			switch {
			case strings.HasPrefix(r.Path, "/Users/") && strings.Contains(all, "active") && strings.Contains(string(o.Value), "false"):
				if source.active[users[id]] {
					out = append(out, users[id]+" was switched off")
				}
			case strings.HasPrefix(r.Path, "/Groups/") && strings.EqualFold(o.Op, "remove"):
				removed := ids.FindAllString(all, -1)
				if len(removed) == 0 {
					out = append(out, fmt.Sprintf("%s %s empties something: %s", r.Method, r.Path, r.Body))
				}
				for _, member := range removed {
					if source.teams[groups[id]][users[member]] {
						out = append(out, users[member]+" was taken out of "+groups[id])
					}
				}
			}
		}
	}
	return out
}

// unsettled names what the state file has not brought to an end, and what a plan
// still finds to do.
func (j *judge) unsettled(source truth) []string {
	j.t.Helper()
	var out []string
	for _, change := range j.leftOpen() {
		out = append(out, "the journal does not know what became of "+change)
	}
	l, err := ledger.OpenReadOnly(j.t.Context(), filepath.Join(j.dir, "scimsync.db"))
	j.must(err)
	standing, err := l.Standing(j.t.Context(), "main")
	j.must(err)
	j.must(l.Close())
	people := 0
	for _, active := range source.active {
		if active {
			people++
		}
	}
	if standing.Users < people || standing.Groups != len(source.teams) {
		out = append(out, fmt.Sprintf("%d users and %d groups are owned, want at least %d and exactly %d",
			standing.Users, standing.Groups, people, len(source.teams)))
	}
	if standing.Dirty != 0 || standing.Held != 0 {
		out = append(out, fmt.Sprintf("%d objects are dirty and %d removals held", standing.Dirty, standing.Held))
	}
	if standing.Last == nil || standing.Last.Finished.IsZero() {
		out = append(out, "the last run has no end")
	}
	next := j.command("plan", "--exit-code", "-o", "json")
	if next.code != exitDone {
		out = append(out, "a plan finds something to do: "+next.String())
	}
	if !strings.Contains(next.out, `"cycle":"delta"`) {
		return out
	}
	if r := j.command("plan", "--exit-code", "--full"); r.code != exitDone {
		out = append(out, "a full plan finds something to do: "+r.String())
	}
	return out
}

// clean demands that no harm was done.
func (j *judge) clean(when string) {
	j.t.Helper()
	if harms := j.harms(); len(harms) > 0 {
		j.t.Errorf("%s:\n%s", when, strings.Join(harms, "\n"))
	}
}

// TestJudge shows that each sort of harm is seen.
func TestJudge(t *testing.T) {
	t.Parallel()
	first := func(j *judge, kind identity.Kind) scimtest.Resource {
		list := j.application.Users()
		if kind == identity.Group {
			list = j.application.Groups()
		}
		for _, r := range list {
			if j.strangers[r.ID] == "" && (kind == identity.User || len(r.Members) > 0) {
				return r
			}
		}
		t.Fatalf("no %s of ours", kind)
		return scimtest.Resource{}
	}
	for name, c := range map[string]struct {
		plant func(j *judge)
		want  string
	}{
		"twin": {func(j *judge) {
			u := first(j, identity.User)
			_, err := j.application.Put(identity.User, map[string]any{"userName": "other@example.com", "externalId": u.ExternalID})
			j.must(err)
		}, "have the externalId"},
		"two groups": {func(j *judge) {
			id, err := j.application.Put(identity.Group, map[string]any{"displayName": "Another"})
			j.must(err)
			j.must(j.application.Edit(identity.Group, id, "displayName", first(j, identity.Group).Name))
		}, "have the name"},
		"stranger": {func(j *judge) {
			for _, u := range j.application.Users() {
				if j.strangers[u.ID] != "" {
					j.must(j.application.Edit(identity.User, u.ID, "active", false))
					return
				}
			}
		}, "a stranger was touched"},
		"nobody's account": {func(j *judge) {
			_, err := j.application.Put(identity.User, map[string]any{"userName": "ghost@example.com", "active": true})
			j.must(err)
		}, "ghost@example.com has an active account"},
		"lost person": {func(j *judge) { j.must(j.application.Delete(identity.User, first(j, identity.User).ID)) }, "has no active account"},
		"lost group":  {func(j *judge) { j.must(j.application.Delete(identity.Group, first(j, identity.Group).ID)) }, "is missing"},
		"lost member": {func(j *judge) {
			g := first(j, identity.Group)
			j.must(j.application.RemoveMember(g.ID, g.Members[0]))
		}, "active members, want"},
		// Beyond any guard, and made good again by the run that follows.
		"fire and rehire": {func(j *judge) {
			id := j.activeIDs()[0]
			j.must(j.org.SetStatus(id, "SUSPENDED"))
			j.sync(exitDone)
			j.must(j.org.SetStatus(id, "ACTIVE"))
			j.sync(exitDone)
		}, "was switched off"},
		"out and in": {func(j *judge) {
			g := first(j, identity.Group)
			var member string
			for _, u := range j.application.Users() {
				if u.ID == g.Members[0] {
					member = u.ExternalID
				}
			}
			j.must(j.org.RemoveMember(g.ExternalID, member))
			j.sync(exitDone)
			j.must(j.org.AddMember(g.ExternalID, member))
			j.sync(exitDone)
		}, "was taken out of"},
		"dirty": {func(j *judge) {
			l, err := ledger.Open(j.t.Context(), filepath.Join(j.dir, "scimsync.db"))
			j.must(err)
			j.must(l.MarkDirty(j.t.Context(), "main", "", identity.Ref{Kind: identity.User, ID: "00unobody"}))
			j.must(l.Close())
		}, "1 objects are dirty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := firstScene(t).judge
			j.sync(exitDone)
			j.clean("before anything is planted")
			if t.Failed() {
				return
			}
			c.plant(j)
			if text := strings.Join(j.harms(), "\n"); !strings.Contains(text, c.want) {
				t.Errorf("%q is not seen, but:\n%s", c.want, text)
			}
		})
	}
}
