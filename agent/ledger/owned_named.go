package ledger

import (
	"context"

	"github.com/scimsync/scimsync/identity"
)

// OwnedNamed returns what a sync owns of the kind under a name, in any case.
func (l *Ledger) OwnedNamed(ctx context.Context, sync string, kind identity.Kind, name string) ([]Owned, error) {
	out, err := collect(ctx, l, scanOwned, `SELECT `+ownedColumns+` FROM owned
		WHERE sync = ? AND kind = ? AND lower(name) = lower(?) ORDER BY source_id`, sync, kind, name)
	return out, l.wrap(ctx, "read ownership", err)
}
