package apply

import (
	"context"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Made finds the object that a create has made whose answer nobody saw: it
// carries our externalId, or our name and no other externalId, and it belongs to
// nobody. Nil means that the target shows none.
func Made(ctx context.Context, s connectors.Session, l *ledger.Ledger, target string, c identity.Change) (*identity.Entry, error) {
	sent := identity.Attrs{}
	for _, a := range c.Attributes {
		sent[a.Path] = a.After
	}
	external := sent.String("externalId")
	for _, path := range [...]string{"externalId", plan.NamePath(c.Ref.Kind)} {
		if sent.String(path) == "" {
			continue
		}
		entries, err := s.Find(ctx, c.Ref.Kind, connectors.Match{Path: path, Value: sent.String(path)}, connectors.Want{})
		if connectors.ClassOf(err) == connectors.Unsupported && path == "externalId" {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if has := e.Attrs.String("externalId"); has != "" && external != "" && has != external {
				continue
			}
			_, owned, err := l.OwnedBy(ctx, target, c.Ref.Kind, e.TargetID)
			if err != nil {
				return nil, err
			}
			if !owned {
				return &e, nil
			}
		}
	}
	return nil, nil
}
