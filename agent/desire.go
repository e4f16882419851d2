package agent

import (
	"context"
	"strings"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

// mapper returns the compiled mapping of a kind the sync provisions.
func (a *Agent) mapper(k identity.Kind) *mapping.Mapper {
	if k == identity.Group {
		return a.Sync.Groups.Mapping
	}
	return a.Sync.Users.Mapping
}

// matching returns how a kind is matched.
func (a *Agent) matching(k identity.Kind) configs.Matching {
	if k == identity.Group {
		return a.Sync.Groups.Matching
	}
	return a.Sync.Users.Matching
}

// matchPaths returns the keys by which a kind is matched, in order.
func (a *Agent) matchPaths(k identity.Kind) []string { return a.matching(k).By }

// desire works out, from the mirror alone, what the target should hold.
func (a *Agent) desire(ctx context.Context, c *Cycle, k identity.Kind) error {
	mirror := a.Ledger.Mirror(a.Sync.Source.Name)
	profile := c.profile()
	class := classOf(k)
	return c.scratch.Load(ctx, func() error {
		c.counts.present[class] = 0
		for m, err := range mirror.Records(ctx, k) {
			if err != nil {
				return err
			}
			if m.State == ledger.StateGone {
				continue
			}
			c.counts.present[class]++
			d := a.desired(m, profile)
			if err := c.scratch.PutDesired(ctx, d, keysOf(d.Entry, a.keyPaths(k))); err != nil {
				return err
			}
		}
		return c.scratch.ShieldDuplicates(ctx, k, plan.NamePath(k))
	})
}

// desired maps one mirrored record.
func (a *Agent) desired(m ledger.Mirrored, profile connectors.Profile) ledger.Desired {
	ref := m.Record.Ref
	d := ledger.Desired{Ref: ref, Name: recordName(m.Record), State: ledger.In, Hash: m.Hash, Active: true}
	shield := func(why string) ledger.Desired {
		d.State, d.Why, d.Undecided, d.Entry = ledger.Shielded, why, true, identity.Entry{Ref: ref}
		return d
	}
	if m.State == ledger.StateUnreadable {
		return shield("could not be read at the source: " + m.Why)
	}
	mapped, err := a.mapper(ref.Kind).Map(m.Record)
	if err != nil {
		return shield(err.Error())
	}
	entry := profile.Normalize(mapped.Entry)
	entry.Ref = ref
	d.Entry = entry
	if name := entry.Attrs.String(plan.NamePath(ref.Kind)); name != "" {
		d.Name = name
	}
	if active, known := mapped.Entry.Attrs.Active(); known && ref.Kind == identity.User {
		d.Active = active
	}
	if !mapped.InScope {
		d.State, d.Cause, d.Why = ledger.Out, identity.CauseOutOfScope, mapped.Why
		return d
	}
	required := append([]string{plan.NamePath(ref.Kind)}, profile.Required[ref.Kind]...)
	if missing := plan.Missing(entry, required); len(missing) > 0 && d.Active {
		return shield("lacks what the target requires: " + strings.Join(missing, ", "))
	}
	return d
}

// keyPaths returns every path an object of the kind may be looked up by.
func (a *Agent) keyPaths(k identity.Kind) []string {
	paths := []string{plan.NamePath(k), "externalId"}
	for _, by := range a.matchPaths(k) {
		if by != paths[0] && by != paths[1] {
			paths = append(paths, by)
		}
	}
	return paths
}

// keysOf returns the keys an entry carries.
func keysOf(e identity.Entry, paths []string) []ledger.Key {
	var keys []ledger.Key
	for _, path := range paths {
		if value := e.Attrs.String(path); value != "" {
			keys = append(keys, key(path, value))
		}
	}
	return keys
}

// key returns the form a value compares in: externalId is case-exact, names and
// addresses are not (RFC 7643, sections 3.1 and 4.1).
func key(path, value string) ledger.Key {
	if path != "externalId" {
		value = identity.Fold(value)
	}
	return ledger.Key{Path: path, Value: value}
}

// recordName is what a person knows a record by before it is mapped.
func recordName(r identity.Record) string {
	for _, field := range [...]string{"userName", "login", "name", "displayName"} {
		if s, ok := r.Fields[field].(string); ok && s != "" {
			return s
		}
	}
	if profile, ok := r.Fields["profile"].(map[string]any); ok {
		for _, field := range [...]string{"login", "name"} {
			if s, ok := profile[field].(string); ok && s != "" {
				return s
			}
		}
	}
	return r.Ref.ID
}

func classOf(k identity.Kind) plan.Class {
	if k == identity.Group {
		return plan.Groups
	}
	return plan.Users
}
