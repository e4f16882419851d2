package ledger

import (
	"context"
	"slices"

	"github.com/scimsync/scimsync/identity"
)

// The statements of RememberIdle. ?1 is the sync, ?2 the target.
const (
	// Whoever is owned and has no active account in this plan, or was not
	// brought there, takes no part. Ends with within.
	idlePeople = `INSERT OR IGNORE INTO temp.idled SELECT o.source_id, '' FROM main.owned o
		WHERE o.sync = ?1 AND o.kind = 'user'
		  AND (NOT EXISTS (SELECT 1 FROM temp.account a WHERE a.source_id = o.source_id AND a.active = 1)
		    OR EXISTS (SELECT 1 FROM temp.step s WHERE s.kind = 'user' AND s.source_id = o.source_id
		      AND s.outcome NOT IN ('applied', 'unverified')))`
	// What of them is left in a group that the source has taken them out of.
	idleMembers = `INSERT OR IGNORE INTO temp.idled SELECT o.source_id, t.source_id FROM temp.team t
		CROSS JOIN temp.live_member l ON l.group_id = t.target_id
		CROSS JOIN main.owned o ON o.target = ?2 AND o.kind = 'user' AND o.target_id = l.member_id
		WHERE t.readable = 1 AND t.complete = 1 AND t.target_id <> '' AND o.sync = ?1
		  AND NOT EXISTS (SELECT 1 FROM temp.account a WHERE a.source_id = o.source_id AND a.active = 1)
		  AND NOT EXISTS (SELECT 1 FROM temp.want_member m WHERE m.group_id = t.source_id AND m.user_id = o.source_id)`
	// The same where the plan was about everything: who of ours takes no part is
	// known then, and mostly few, while the owner of every member that the target
	// has would be a page from the disk each.
	idleAccounts = `INSERT OR IGNORE INTO temp.idle_account SELECT o.target_id, o.source_id FROM temp.idled i
		CROSS JOIN main.owned o ON o.sync = ?1 AND o.kind = 'user' AND o.source_id = i.user_id
		WHERE i.group_id = '' AND o.target = ?2
		  AND NOT EXISTS (SELECT 1 FROM temp.account a WHERE a.source_id = o.source_id AND a.active = 1)`
	idleMembersOfAll = `INSERT OR IGNORE INTO temp.idled SELECT x.source_id, t.source_id FROM temp.team t
		CROSS JOIN temp.live_member l ON l.group_id = t.target_id
		CROSS JOIN temp.idle_account x ON x.target_id = l.member_id
		WHERE t.readable = 1 AND t.complete = 1 AND t.target_id <> ''
		  AND NOT EXISTS (SELECT 1 FROM temp.want_member m WHERE m.group_id = t.source_id AND m.user_id = x.source_id)`
	// What was known before of the people and groups that were looked at: of all
	// but for the groups that could not be, of the selected people, and of the
	// groups whose members were compared.
	idleForgetAll = `DELETE FROM main.idle WHERE sync = ?1
		AND CASE group_id WHEN '' THEN user_id <> ''
		  ELSE NOT EXISTS (SELECT 1 FROM temp.team t WHERE t.source_id = idle.group_id AND (t.readable = 0 OR t.complete = 0)) END` + notIdled
	idleForgetPeople = `DELETE FROM main.idle WHERE sync = ?1 AND group_id = ''
		AND user_id IN (SELECT source_id FROM temp.selected WHERE kind = 'user' AND source_id <> '')` + notIdled
	idleForgetTeams = `DELETE FROM main.idle WHERE sync = ?1
		AND group_id IN (SELECT source_id FROM temp.team WHERE readable = 1 AND complete = 1 AND source_id <> '')` + notIdled
	notIdled = ` AND NOT EXISTS (SELECT 1 FROM temp.idled i WHERE i.user_id = idle.user_id AND i.group_id = idle.group_id)`
	idleKeep = `INSERT OR IGNORE INTO main.idle (sync, user_id, group_id) SELECT ?1, user_id, group_id FROM temp.idled`
	// The row without a person.
	idleKnown     = `INSERT OR IGNORE INTO main.idle (sync, user_id, group_id) VALUES (?1, '', '')`
	followerKnown = `INSERT OR IGNORE INTO main.follower (source, sync) VALUES (?1, ?2)`
	// Ends with within.
	awaitedForget = `DELETE FROM main.awaiting WHERE sync = ?1
		AND NOT EXISTS (SELECT 1 FROM temp.awaited w
		  WHERE w.kind = awaiting.kind AND w.source_id = awaiting.source_id AND w.wanted = awaiting.wanted AND w.found = awaiting.found)`
	awaitedKeep = `INSERT OR IGNORE INTO main.awaiting (sync, kind, source_id, wanted, found)
		SELECT ?1, kind, source_id, wanted, found FROM temp.awaited`
)

// RememberIdle writes down, at the end of a cycle, who took no part in
// memberships, which of them the target still has in a group, and which objects
// wait for somebody they name: a later cycle over a few objects asks for it.
func (w *Workspace) RememberIdle(ctx context.Context) error {
	return w.writeAll(ctx, "remember who took no part", w.remembering())
}

func (w *Workspace) remembering() []statement {
	ofSync := func(texts ...string) []statement {
		out := make([]statement, len(texts))
		for i, text := range texts {
			out[i] = statement{text, []any{w.sync}}
		}
		return out
	}
	people, ofTarget := ofSync(idlePeople+w.within("o")), []any{w.sync, w.target}
	kept := ofSync(idleKeep, awaitedForget+w.within("awaiting"), awaitedKeep)
	if w.partial {
		return slices.Concat(people, []statement{{idleMembers, ofTarget}}, ofSync(idleForgetPeople, idleForgetTeams), kept)
	}
	members := []statement{{idleAccounts, ofTarget}, {idleMembersOfAll, nil}}
	return slices.Concat(people, members, ofSync(idleForgetAll), kept, ofSync(idleKnown),
		[]statement{{followerKnown, []any{w.source, w.sync}}})
}

// ForgetIdle says that what RememberIdle has written down is not kept up any
// more, so that nobody relies on it.
func (l *Ledger) ForgetIdle(ctx context.Context, sync string) error {
	return l.write(ctx, "forget who took no part", func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM idle WHERE sync = ? AND user_id = '' AND group_id = ''`, sync)
		return err
	})
}

// Follows reports whether a sync has been told of every change of the source since its
// last full cycle.
func (m *Mirror) Follows(ctx context.Context, sync string) (bool, error) {
	var one int
	ok, err := found(m.l.db.QueryRowContext(ctx, `SELECT 1 FROM follower WHERE source = ? AND sync = ?`, m.source, sync).Scan(&one))
	return ok, m.l.wrap(ctx, "read who follows "+m.source, err)
}

// KnowsIdle reports whether what RememberIdle wrote down is kept up.
func (l *Ledger) KnowsIdle(ctx context.Context, sync string) (bool, error) {
	var one int
	ok, err := found(l.db.QueryRowContext(ctx, `SELECT 1 FROM idle WHERE sync = ? AND user_id = '' AND group_id = ''`, sync).Scan(&one))
	return ok, l.wrap(ctx, "read who took no part", err)
}

// Await notes that an object names somebody, by source id or by a folded name, who
// may turn out to be another one: found is who he is now, by source id, or "" where
// he is not at the target. Of a name that it wants itself and does not get, nobody is.
// What was noted before of the same name is replaced.
func (w *Workspace) Await(ctx context.Context, ref identity.Ref, wanted, found string) error {
	return w.exec(ctx, `INSERT OR REPLACE INTO temp.awaited VALUES (?,?,?,?)`, ref.Kind, ref.ID, wanted, found)
}

// The groups whose members a plan about a few objects has to look at besides the
// selected ones. ?1 is the source, ?2 the sync.
const (
	// The people who take part from now on: who was not ours, who took no part
	// when last looked at, and who is made or made active by this plan.
	linkDirect = `WITH some(id) AS MATERIALIZED (SELECT a.source_id FROM temp.account a WHERE a.active = 1 AND ` + returning + `)` + linkSome
	returning  = `(NOT EXISTS (SELECT 1 FROM main.owned o WHERE o.sync = ?2 AND o.kind = 'user' AND o.source_id = a.source_id)
		  OR EXISTS (SELECT 1 FROM main.idle i WHERE i.sync = ?2 AND i.user_id = a.source_id)
		  OR EXISTS (SELECT 1 FROM temp.step s WHERE s.kind = 'user' AND s.source_id = a.source_id AND s.op IN ('create', 'adopt', 'reactivate')))`
	// Where the target still has them. An account may have had another holder.
	linkLeft = `INSERT OR IGNORE INTO temp.linked SELECT i.group_id FROM temp.account a
		CROSS JOIN main.owned o ON o.target = ?2 AND o.kind = 'user' AND o.target_id = a.target_id AND o.sync = ?1
		CROSS JOIN main.idle i ON i.sync = ?1 AND i.user_id = o.source_id AND i.group_id <> ''
		CROSS JOIN main.mirror_object g ON g.source = ?3 AND g.kind = 'group' AND g.id = i.group_id AND g.state = 'present'
		WHERE a.active = 1`
	linkAll = `WITH some(id) AS MATERIALIZED (SELECT source_id FROM temp.account)` + linkSome
	// No index leads from a person to his groups: it would cost every first read a
	// fifth of its time. Where there is nobody, no group is looked at; else each is
	// once, whoever is looked for, and its members are close together.
	linkSome = ` INSERT OR IGNORE INTO temp.linked SELECT g.id FROM main.mirror_object g
		WHERE EXISTS (SELECT 1 FROM some) AND g.source = ?1 AND g.kind = 'group' AND g.state = 'present'
		  AND EXISTS (SELECT 1 FROM some p CROSS JOIN main.mirror_link k
		    ON k.source = g.source AND k.group_id = g.id AND k.member_kind = 'user' AND k.member_id = p.id)`
	linkSelected = `INSERT OR IGNORE INTO temp.linked SELECT source_id FROM temp.selected WHERE kind = 'group'`
	// UNION, not UNION ALL: groups may contain each other.
	linkAbove = `INSERT OR IGNORE INTO temp.linked
		WITH RECURSIVE above(id) AS (
		  SELECT source_id FROM temp.linked
		  UNION
		  SELECT k.group_id FROM above x
		    CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.member_kind = 'group' AND k.member_id = x.id)
		SELECT id FROM above`
)

// LinkReturning notes the groups that people who take part from now on are in, at
// the source and at the target.
func (w *Workspace) LinkReturning(ctx context.Context) error {
	if err := w.exec(ctx, linkDirect, w.source, w.sync); err != nil {
		return err
	}
	return w.exec(ctx, linkLeft, w.sync, w.target, w.source)
}

// LinkAll notes the groups that anybody who has an account in the plan is in.
func (w *Workspace) LinkAll(ctx context.Context) error { return w.exec(ctx, linkAll, w.source) }

// LinkSelected notes the selected groups, so that LinkAbove finds those around
// them.
func (w *Workspace) LinkSelected(ctx context.Context) error { return w.exec(ctx, linkSelected) }

// LinkAbove notes the groups around those noted so far.
func (w *Workspace) LinkAbove(ctx context.Context) error { return w.exec(ctx, linkAbove, w.source) }

// Linked returns what is owned of the noted groups and neither takes part yet nor
// is selected, by source id.
func (w *Workspace) Linked(ctx context.Context) ([]Owned, error) {
	rows, err := w.query(ctx, `
		SELECT o.source_id, o.target_id, o.origin, o.name, o.record_hash, o.since FROM temp.linked k
		CROSS JOIN main.owned o ON o.sync = ? AND o.kind = 'group' AND o.source_id = k.source_id
		WHERE NOT EXISTS (SELECT 1 FROM temp.team t WHERE t.source_id = k.source_id)
		  AND NOT EXISTS (SELECT 1 FROM temp.selected s WHERE s.kind = 'group' AND s.source_id = k.source_id)
		ORDER BY k.source_id`, w.sync)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Owned
	for rows.Next() {
		var o nullOwned
		ref := identity.Ref{Kind: identity.Group}
		if err := rows.Scan(&ref.ID, &o.targetID, &o.origin, &o.name, &o.recordHash, &o.since); err != nil {
			return nil, err
		}
		out = append(out, *o.owned(w, ref))
	}
	return out, rows.Err()
}

// The members of teams who are ours, are not selected, and are on one side only.
// Everybody else stays as he is.
const (
	unlikeWanted = `SELECT DISTINCT o.source_id FROM temp.team t
		CROSS JOIN temp.want_member m ON m.group_id = t.source_id
		CROSS JOIN main.owned o ON o.sync = ?1 AND o.kind = 'user' AND o.source_id = m.user_id
		WHERE NOT EXISTS (SELECT 1 FROM temp.live_member l WHERE l.group_id = t.target_id AND l.member_id = o.target_id)`
	unlikeLive = `SELECT DISTINCT o.source_id FROM temp.team t
		CROSS JOIN temp.live_member l ON l.group_id = t.target_id
		CROSS JOIN main.owned o ON o.target = ?2 AND o.kind = 'user' AND o.target_id = l.member_id
		WHERE o.sync = ?1 AND NOT EXISTS (SELECT 1 FROM temp.want_member m WHERE m.group_id = t.source_id AND m.user_id = o.source_id)`
	unlike = `SELECT source_id FROM (` + unlikeWanted + ` UNION ` + unlikeLive + `) u
		WHERE NOT EXISTS (SELECT 1 FROM temp.account a WHERE a.source_id = u.source_id)
		  AND NOT EXISTS (SELECT 1 FROM temp.selected s WHERE s.kind = 'user' AND s.source_id = u.source_id)`
	enrolUnlike = `INSERT OR IGNORE INTO temp.account
		SELECT o.source_id, o.target_id, o.name, 1 FROM (` + unlike + `) v
		CROSS JOIN main.owned o ON o.sync = ?1 AND o.kind = 'user' AND o.source_id = v.source_id
		WHERE NOT EXISTS (SELECT 1 FROM main.idle i WHERE i.sync = ?1 AND i.user_id = o.source_id AND i.group_id = '')`
)

// EnrolUnlike lets those members of teams take part who are on one side only and
// who took part when last looked at. It relies on what RememberIdle wrote down.
func (w *Workspace) EnrolUnlike(ctx context.Context) error {
	return w.exec(ctx, enrolUnlike, w.sync, w.target)
}

// Unlike returns the members of teams who are ours and on one side only, but for
// the selected, by source id.
func (w *Workspace) Unlike(ctx context.Context) ([]string, error) {
	return w.strings(ctx, unlike+` ORDER BY source_id`, w.sync, w.target)
}
