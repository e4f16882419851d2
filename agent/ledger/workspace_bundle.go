package ledger

import "context"

// Bundle is a group of the target that stands for no object of the source: the
// members of some source groups together.
type Bundle struct {
	// ID stands in the place of a source id.
	ID string
	// Groups are the source ids of the groups whose members it has.
	Groups []string
	// Lacking says that there are more groups, which nobody could find.
	Lacking bool
}

// Within a bundle's group ?2, with ?3 also the groups within it. ?1 is the source.
// UNION, not UNION ALL: groups may contain each other.
const withinGroup = `WITH RECURSIVE inside(id) AS (
	SELECT ?2
	UNION
	SELECT k.member_id FROM inside n
	  CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.group_id = n.id AND k.member_kind = 'group' WHERE ?3 = 1) `

// WantBundle works out, from the mirrored links, who belongs to a bundle that
// takes part, and whether that is known completely. Flatten is as in WantMembers.
func (w *Workspace) WantBundle(ctx context.Context, b Bundle, flatten bool) error {
	complete := !b.Lacking
	for _, group := range b.Groups {
		err := w.exec(ctx, withinGroup+`INSERT OR IGNORE INTO temp.want_member
			SELECT ?4, k.member_id FROM inside n
			CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.group_id = n.id AND k.member_kind = 'user'`,
			w.source, group, flatten, b.ID)
		if err != nil {
			return err
		}
		unknown, err := w.count(ctx, withinGroup+`SELECT count(*) FROM inside n
			LEFT JOIN main.mirror_object o ON o.source = ?1 AND o.kind = 'group' AND o.id = n.id
			  AND o.state = 'present' AND o.links_state = 'complete' WHERE o.id IS NULL`, w.source, group, flatten)
		if err != nil {
			return err
		}
		complete = complete && unknown == 0
	}
	return w.exec(ctx, `UPDATE temp.team SET complete = ? WHERE source_id = ?`, complete, b.ID)
}

// TouchesBundle reports whether a plan about selected objects has to look at a
// bundle: it is selected itself, or one of its groups, or somebody with an account
// in the plan is in one, or was left in it.
func (w *Workspace) TouchesBundle(ctx context.Context, b Bundle, flatten bool) (bool, error) {
	n, err := w.count(ctx, `SELECT (SELECT count(*) FROM temp.selected WHERE kind = 'group' AND source_id = ?2)
		+ (SELECT count(*) FROM temp.account a
		   CROSS JOIN main.owned o ON o.target = ?3 AND o.kind = 'user' AND o.target_id = a.target_id AND o.sync = ?1
		   CROSS JOIN main.idle i ON i.sync = ?1 AND i.user_id = o.source_id AND i.group_id = ?2 WHERE a.active = 1)`, w.sync, b.ID, w.target)
	if err != nil || n > 0 {
		return n > 0, err
	}
	for _, group := range b.Groups {
		n, err := w.count(ctx, withinGroup+`SELECT
			(SELECT count(*) FROM inside n CROSS JOIN temp.selected s ON s.kind = 'group' AND s.source_id = n.id)
			+ EXISTS (SELECT 1 FROM inside n CROSS JOIN temp.account a
			  CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.group_id = n.id AND k.member_kind = 'user' AND k.member_id = a.source_id)`,
			w.source, group, flatten)
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}
