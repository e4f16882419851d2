package ledger

import (
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// Whoever carries the id of something of ours, and another externalId and another
// name, is not ours. A plan about few objects finds that of these and of what it has
// seen, whoever owns it, and of nothing else.
func TestEstrange(t *testing.T) {
	t.Parallel()
	for name, selected := range map[string][]identity.Ref{
		"everything":              nil,
		"one of them":             {user("a")},
		"who only was not there":  {user("d")},
		"who has nothing of ours": {user("z")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			ctx := t.Context()
			for _, id := range []string{"a", "b", "c", "d"} {
				r.owns("sync", user(id), "t-"+id)
			}
			for _, ref := range selected {
				must(t, r.Select(ctx, ref))
			}
			for id, external := range map[string]string{"a": "x", "b": "y", "c": "c"} {
				e := identity.Entry{TargetID: "t-" + id, Attrs: identity.Attrs{"userName": "new." + id, "externalId": external}}
				must(t, r.PutLive(ctx, identity.User, e, []Key{{"externalId", external}, {"userName", "new." + id}}))
			}
			lost, first, err := r.Estrange(ctx, identity.User, "userName")
			must(t, err)
			if lost != 2 || first.Ref.ID != "a" {
				t.Errorf("%d were lost, first %s", lost, first.Ref)
			}
			for id, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false} {
				n, err := r.count(ctx, `SELECT count(*) FROM temp.stranger WHERE source_id = ?`, id)
				must(t, err)
				if n > 0 != want {
					t.Errorf("%s is a stranger: %t, want %t", id, n > 0, want)
				}
			}
		})
	}
}
