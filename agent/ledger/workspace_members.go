package ledger

import (
	"context"
	"database/sql"
	"iter"

	"github.com/scimsync/scimsync/identity"
)

// PutAccount says that a user has, or gets by this plan, an account of ours.
// TargetID is empty while it is still to be created.
func (w *Workspace) PutAccount(ctx context.Context, userID, targetID, name string, active bool) error {
	w.enrolled.add(len(userID) + len(targetID) + len(name) + accountRow)
	return w.put(ctx, `INSERT OR REPLACE INTO temp.account VALUES (?,?,?,?)`, userID, targetID, name, active)
}

// PutTeam says that a group has, or gets by this plan, a counterpart of ours.
// Readable says that its live members are known.
func (w *Workspace) PutTeam(ctx context.Context, groupID, targetID, name string, readable bool) error {
	return w.put(ctx, `INSERT OR REPLACE INTO temp.team
		SELECT ?, ?, ?, ?, COALESCE((SELECT o.links_state = 'complete' FROM main.mirror_object o
		  WHERE o.source = ? AND o.kind = 'group' AND o.id = ?), 0)`,
		groupID, targetID, name, readable, w.source, groupID)
}

const assumeWritten = `INSERT OR IGNORE INTO main.assumed_member (sync, group_id, member_id)
		SELECT g.sync, g.target_id, u.target_id FROM temp.want_member m
		JOIN temp.account a ON a.source_id = m.user_id AND a.active = 1
		JOIN main.owned g ON g.sync = ?1 AND g.kind = 'group' AND g.source_id = m.group_id
		JOIN main.owned u ON u.sync = ?1 AND u.kind = 'user' AND u.source_id = m.user_id
		WHERE NOT EXISTS (SELECT 1 FROM temp.step s WHERE s.kind = 'group' AND s.source_id = m.group_id
		  AND s.outcome NOT IN ('applied', 'unverified'))`

// AssumeWritten remembers the memberships that this plan wanted and no step
// failed to write: for a target that turned out to be member-blind in the middle
// of the run that made them.
func (w *Workspace) AssumeWritten(ctx context.Context) error {
	return w.ledger.writeOn(ctx, w.conn, "remember memberships", func(t *tx) error {
		_, err := t.exec(ctx, assumeWritten, w.sync)
		return err
	})
}

// WantMembers works out which users belong to which team from the mirrored
// links. With flatten, the members of a group within a group count as the outer
// group's, and a group any of whose inner groups is not completely known is
// itself incomplete, so that nobody is removed from it.
func (w *Workspace) WantMembers(ctx context.Context, flatten bool) error {
	err := w.exec(ctx, `INSERT OR IGNORE INTO temp.want_member
		SELECT t.source_id, k.member_id FROM temp.team t
		CROSS JOIN main.mirror_link k ON k.source = ? AND k.group_id = t.source_id AND k.member_kind = 'user'`, w.source)
	if err != nil || !flatten {
		return err
	}
	// UNION, not UNION ALL: groups may contain each other.
	const closure = `WITH RECURSIVE nest(root, inner_id) AS (
		SELECT t.source_id, k.member_id FROM temp.team t
		  CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.group_id = t.source_id AND k.member_kind = 'group'
		UNION
		SELECT n.root, k.member_id FROM nest n
		  CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.group_id = n.inner_id AND k.member_kind = 'group') `
	err = w.exec(ctx, closure+`INSERT OR IGNORE INTO temp.want_member
		SELECT n.root, k.member_id FROM nest n
		CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.group_id = n.inner_id AND k.member_kind = 'user'`, w.source)
	if err != nil {
		return err
	}
	return w.exec(ctx, closure+`UPDATE temp.team SET complete = 0 WHERE source_id IN (
		SELECT n.root FROM nest n LEFT JOIN main.mirror_object o
		  ON o.source = ?1 AND o.kind = 'group' AND o.id = n.inner_id AND o.state = 'present' AND o.links_state = 'complete'
		WHERE o.id IS NULL)`, w.source)
}

// TeamMember is one membership of a team that is wanting or too many.
type TeamMember struct {
	Group  identity.Ref
	Target string // target id of the group; empty while it is to be created
	Name   string // of the group
	Member identity.Member
}

const (
	mayJoin = `(team.readable = 1 OR team.target_id = '')`
	joiners = `SELECT a.source_id, a.target_id, a.name FROM temp.want_member m
		CROSS JOIN temp.account a ON a.source_id = m.user_id AND a.active = 1
		WHERE m.group_id = ?1 AND m.user_id > ?3 AND NOT EXISTS (SELECT 1 FROM temp.live_member l
		  WHERE ?2 <> '' AND a.target_id <> '' AND l.group_id = ?2 AND l.member_id = a.target_id)
		ORDER BY m.user_id LIMIT ?4`

	// Where there are several spans: the same of all teams, one span after the
	// other, and then of one team again. Spans are in the order of users.
	findJoiners = `INSERT INTO temp.joiner SELECT ?3, team.source_id, a.source_id, a.target_id, a.name FROM temp.team
		CROSS JOIN temp.want_member m ON m.group_id = team.source_id AND` + wantedInSpan + `
		CROSS JOIN temp.account a ON a.source_id = m.user_id AND a.active = 1
		WHERE team.source_id > ?4 AND team.source_id <= COALESCE(?5, x'')
		  AND ` + mayJoin + ` AND NOT EXISTS (SELECT 1 FROM temp.live_member l
		  WHERE team.target_id <> '' AND a.target_id <> '' AND l.group_id = team.target_id AND l.member_id = a.target_id)`
	hasJoiners = `EXISTS (SELECT 1 FROM temp.joiner_span s CROSS JOIN temp.joiner j ON j.span = s.n AND j.group_id = team.source_id)`
	joinersOf  = `SELECT j.user_id, j.target_id, j.name FROM temp.joiner_span s
		CROSS JOIN temp.joiner j ON j.span = s.n AND j.group_id = ?1 AND j.user_id > ?3
		ORDER BY s.n, j.user_id LIMIT ?4`

	// Who stands in which span of target ids says nothing of the order.
	findDeparted = `INSERT INTO temp.departed SELECT t.source_id, a.source_id FROM temp.team t
		CROSS JOIN temp.live_member l ON l.group_id = t.target_id AND` + liveInSpan + `
		CROSS JOIN temp.account a ON a.target_id = l.member_id AND a.active = 1
		WHERE t.readable = 1 AND t.complete = 1 AND t.target_id <> ''
		  AND NOT EXISTS (SELECT 1 FROM temp.want_member m WHERE m.group_id = t.source_id AND m.user_id = a.source_id)`
	hasDeparted = `EXISTS (SELECT 1 FROM temp.departed d WHERE d.group_id = team.source_id)`
	departedOf  = `SELECT a.source_id, a.target_id, a.name FROM temp.departed d
		CROSS JOIN temp.account a ON a.source_id = d.user_id
		WHERE d.group_id = ?1 AND d.user_id > ?3 ORDER BY d.user_id LIMIT ?4`
)

// Joiners yields the memberships that the target lacks, by group and user. Only
// active accounts take part: reactivation asserts the rest.
func (w *Workspace) Joiners(ctx context.Context) iter.Seq2[TeamMember, error] {
	return func(yield func(TeamMember, error) bool) {
		spans, err := w.sourceSpans(ctx)
		if err == nil {
			err = w.settle(ctx)
		}
		if err == nil && len(spans) == 1 {
			w.teamMembers(ctx, mayJoin, joiners)(yield)
			return
		}
		if err == nil {
			err = w.findJoiners(ctx, spans)
		}
		if err != nil {
			yield(TeamMember{}, err)
			return
		}
		w.teamMembers(ctx, hasJoiners, joinersOf)(yield)
	}
}

// findJoiners fills temp.joiner, for a few teams at a time: what was found is written
// to disk before it takes the room of the accounts.
func (w *Workspace) findJoiners(ctx context.Context, spans []span) error {
	for _, query := range [...]string{`DELETE FROM temp.joiner`, `DELETE FROM temp.joiner_span`} {
		if err := w.exec(ctx, query); err != nil {
			return err
		}
	}
	teams, err := w.divide(ctx, `SELECT source_id FROM temp.team WHERE source_id > ? ORDER BY source_id LIMIT 1 OFFSET ?`, fewTeams)
	if err != nil {
		return err
	}
	stmt, err := w.prepared(ctx, findJoiners)
	if err != nil {
		return err
	}
	found := 0
	for n, users := range spans {
		if err := w.exec(ctx, `INSERT INTO temp.joiner_span VALUES (?)`, n); err != nil {
			return err
		}
		if err := w.settle(ctx); err != nil {
			return err
		}
		for _, few := range teams {
			result, err := stmt.ExecContext(ctx, users.low, users.high, n, few.low, few.high)
			if err != nil {
				return err
			}
			more, err := result.RowsAffected()
			if err != nil {
				return err
			}
			if found += int(more); found < w.spanLength()/unsettledShare {
				continue
			}
			if err := w.settle(ctx); err != nil {
				return err
			}
			found = 0
		}
	}
	return nil
}

// Departed yields the memberships of ours that the source no longer has, by
// group and user: only where the group's members are completely known on both
// sides, and never of people who are inactive, leaving or shielded.
func (w *Workspace) Departed(ctx context.Context) iter.Seq2[TeamMember, error] {
	return func(yield func(TeamMember, error) bool) {
		if err := w.findDeparted(ctx); err != nil {
			yield(TeamMember{}, err)
			return
		}
		w.teamMembers(ctx, hasDeparted, departedOf)(yield)
	}
}

func (w *Workspace) findDeparted(ctx context.Context) error {
	spans, err := w.targetSpans(ctx)
	if err != nil {
		return err
	}
	if err := w.exec(ctx, `DELETE FROM temp.departed`); err != nil {
		return err
	}
	for _, s := range spans {
		if err := w.settle(ctx); err != nil {
			return err
		}
		if err := w.exec(ctx, findDeparted, s.low, s.high); err != nil {
			return err
		}
	}
	return nil
}

// teamMembers runs a query for every team that qualifies. It is given the team's
// source id, its target id, the user to go on after, and how many rows to return.
func (w *Workspace) teamMembers(ctx context.Context, qualifies, query string) iter.Seq2[TeamMember, error] {
	return func(yield func(TeamMember, error) bool) {
		for team, err := range w.teams(ctx, qualifies) {
			if err != nil {
				yield(TeamMember{}, err)
				return
			}
			for member, err := range w.membersOf(ctx, team, query) {
				if !yield(member, err) || err != nil {
					return
				}
			}
		}
	}
}

func (w *Workspace) teams(ctx context.Context, qualifies string) iter.Seq2[TeamMember, error] {
	return batches(func(after string) ([]TeamMember, string, error) {
		rows, err := w.query(ctx, `SELECT source_id, target_id, name FROM temp.team
			WHERE source_id > ? AND `+qualifies+` ORDER BY source_id LIMIT ?`, after, batch)
		if err != nil {
			return nil, "", err
		}
		defer rows.Close()
		var out []TeamMember
		for rows.Next() {
			t := TeamMember{Group: identity.Ref{Kind: identity.Group}}
			if err := rows.Scan(&t.Group.ID, &t.Target, &t.Name); err != nil {
				return nil, "", err
			}
			after = t.Group.ID
			out = append(out, t)
		}
		return out, after, rows.Err()
	})
}

func (w *Workspace) membersOf(ctx context.Context, team TeamMember, query string) iter.Seq2[TeamMember, error] {
	return batches(func(after string) ([]TeamMember, string, error) {
		rows, err := w.query(ctx, query, team.Group.ID, team.Target, after, batch)
		if err != nil {
			return nil, "", err
		}
		defer rows.Close()
		var out []TeamMember
		for rows.Next() {
			m := team
			m.Member.Ref.Kind = identity.User
			if err := rows.Scan(&m.Member.Ref.ID, &m.Member.TargetID, &m.Member.Name); err != nil {
				return nil, "", err
			}
			after = m.Member.Ref.ID
			out = append(out, m)
		}
		return out, after, rows.Err()
	})
}

// CountWanted returns how many members a team should have.
func (w *Workspace) CountWanted(ctx context.Context, groupID string) (int, error) {
	return w.count(ctx, `SELECT count(*) FROM temp.want_member WHERE group_id = ?`, groupID)
}

// CountMemberships returns how many memberships of ours the target holds.
func (w *Workspace) CountMemberships(ctx context.Context) (int, error) {
	spans, err := w.targetSpans(ctx)
	if err != nil {
		return 0, err
	}
	return w.countSpans(ctx, spans, `SELECT count(*) FROM temp.team t
		CROSS JOIN temp.live_member l ON l.group_id = t.target_id AND`+liveInSpan+`
		CROSS JOIN temp.account a ON a.target_id = l.member_id`)
}

// CountWantedAll counts the memberships that every team should have.
func (w *Workspace) CountWantedAll(ctx context.Context) (int, error) {
	spans, err := w.sourceSpans(ctx)
	if err != nil {
		return 0, err
	}
	return w.countSpans(ctx, spans, `SELECT count(*) FROM temp.team t
		CROSS JOIN temp.want_member m ON m.group_id = t.source_id AND`+wantedInSpan+`
		CROSS JOIN temp.account a ON a.source_id = m.user_id AND a.active = 1`)
}

// Nests reports whether a user would be a member of a group if the members of the
// groups within it counted as its own.
func (w *Workspace) Nests(ctx context.Context, groupID, userID string) (bool, error) {
	if w.nestedOf != groupID {
		w.nestedOf = groupID
		if err := w.exec(ctx, `DELETE FROM temp.nested`); err != nil {
			return false, err
		}
		if err := w.exec(ctx, nests, w.source, groupID); err != nil {
			return false, err
		}
	}
	n, err := w.count(ctx, `SELECT count(*) FROM temp.nested WHERE user_id = ?`, userID)
	return n > 0, err
}

const nests = `WITH RECURSIVE nest(inner_id) AS (
	SELECT k.member_id FROM main.mirror_link k WHERE k.source = ?1 AND k.group_id = ?2 AND k.member_kind = 'group'
	UNION
	SELECT k.member_id FROM nest n
	  CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.group_id = n.inner_id AND k.member_kind = 'group')
	INSERT OR IGNORE INTO temp.nested SELECT k.member_id FROM nest n
	CROSS JOIN main.mirror_link k ON k.source = ?1 AND k.group_id = n.inner_id AND k.member_kind = 'user'`

// Incomplete yields the teams whose members the source did not show completely.
func (w *Workspace) Incomplete(ctx context.Context) iter.Seq2[identity.Ref, error] {
	return w.teamsWhere(ctx, `complete = 0`)
}

// Unreadable yields the teams that are at the target and whose members it does
// not show.
func (w *Workspace) Unreadable(ctx context.Context) iter.Seq2[identity.Ref, error] {
	return w.teamsWhere(ctx, `readable = 0 AND target_id <> ''`)
}

func (w *Workspace) teamsWhere(ctx context.Context, where string) iter.Seq2[identity.Ref, error] {
	return func(yield func(identity.Ref, error) bool) {
		for t, err := range w.teams(ctx, where) {
			if !yield(t.Group, err) || err != nil {
				return
			}
		}
	}
}

// Unenrol takes an object that gets no counterpart after all out of memberships.
func (w *Workspace) Unenrol(ctx context.Context, ref identity.Ref) error {
	if ref.Kind == identity.Group {
		return w.exec(ctx, `DELETE FROM temp.team WHERE source_id = ?`, ref.ID)
	}
	return w.exec(ctx, `DELETE FROM temp.account WHERE source_id = ?`, ref.ID)
}

func (w *Workspace) count(ctx context.Context, query string, args ...any) (int, error) {
	var n sql.NullInt64
	_, err := w.row(ctx, query, args, &n)
	return int(n.Int64), err
}
