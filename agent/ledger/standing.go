package ledger

import (
	"context"

	"github.com/scimsync/scimsync/identity"
)

// Standing is how a sync stands, for a person who looks at it.
type Standing struct {
	// Last is the latest run; nil before the first.
	Last *Run
	// Users and Groups count what is owned; Held what a guard keeps back,
	// memberships one by one; Dirty the objects that are not in step.
	Users, Groups, Held, Dirty int
}

// Standing returns how a sync stands.
func (l *Ledger) Standing(ctx context.Context, sync string) (Standing, error) {
	var s Standing
	last, found, err := l.LastRun(ctx, sync)
	if err != nil {
		return s, err
	}
	if found {
		s.Last = &last
	}
	if s.Users, err = l.CountOwned(ctx, sync, identity.User); err != nil {
		return s, err
	}
	if s.Groups, err = l.CountOwned(ctx, sync, identity.Group); err != nil {
		return s, err
	}
	err = l.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM held WHERE sync = ?), (SELECT count(*) FROM dirty WHERE sync = ?)`,
		sync, sync).Scan(&s.Held, &s.Dirty)
	return s, l.wrap(ctx, "read the standing of "+sync, err)
}
