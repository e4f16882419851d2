package ledger

import (
	"context"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// The index holds the names alone; what it finds is looked up. Asked for both at once,
// SQLite reads everything of the kind.
const ownedNamed = `SELECT o.sync, o.kind, o.source_id, o.target, o.target_id, o.origin, o.name, o.record_hash, o.since
	FROM owned n CROSS JOIN owned o ON o.sync = n.sync AND o.kind = n.kind AND o.source_id = n.source_id
	WHERE n.sync = ? AND n.kind = ? AND lower(n.name) = lower(?)`

// OwnedNamed returns what a sync owns of the kind under a name, in any case, by
// source id.
func (l *Ledger) OwnedNamed(ctx context.Context, sync string, kind identity.Kind, name string) ([]Owned, error) {
	out, err := collect(ctx, l, scanOwned, ownedNamed, sync, kind, name)
	slices.SortFunc(out, func(a, b Owned) int { return strings.Compare(a.Ref.ID, b.Ref.ID) })
	return out, l.wrap(ctx, "read ownership", err)
}
