package ledger

import (
	"context"
	"database/sql"

	"github.com/scimsync/scimsync/identity"
)

// How the links of a group follow from a read.
const (
	linksReplace = "replace" // what was read is all there is
	linksApply   = "apply"   // what was read changes what is mirrored
	linksKeep    = "keep"    // what is mirrored stays
)

// groupRead is what a read said about the members of one group.
type groupRead struct {
	id       string
	mirrored LinksState
	why      string // as mirrored
	touched  sql.NullString
	lastLink sql.NullInt64

	closed sql.NullInt64 // when it was last closed
	state  sql.NullString
	given  sql.NullBool
	reason sql.NullString
	// Events up to start belong to an earlier telling of the group, those up
	// to base to one before the last that gave all members at once.
	start int64
	whole sql.NullInt64 // when all members were last given at once
	base  int64
	gone  sql.NullInt64 // when the group was last said to be gone
}

// linksRead is what a read said about the members of every group that it named, and
// looks at no other. ?1 is the source.
const linksRead = `
	SELECT u.grp, o.links_state, o.links_why, t.what,
	  (SELECT max(k.ord) FROM temp.intake_link k WHERE k.grp = u.grp),
	  (SELECT max(e.ord) FROM temp.intake_close e WHERE e.grp = u.grp), f.state, f.given, f.why,
	  -- A group told twice: the later telling counts, unless it names nobody
	  -- and only closes the group once more.
	  COALESCE((SELECT max(e.ord) FROM temp.intake_close e WHERE e.grp = u.grp AND e.ord < f.ord AND (f.given = 1 OR EXISTS (
	    SELECT 1 FROM temp.intake_link k WHERE k.grp = u.grp AND k.ord > e.ord AND k.ord < f.ord))), 0),
	  w.ord, COALESCE((SELECT max(e.ord) FROM temp.intake_close e WHERE e.grp = u.grp AND e.ord < w.ord), 0),
	  (SELECT max(s.ord) FROM temp.intake_object s WHERE s.kind = 'group' AND s.id = u.grp AND s.op = 'gone')
	FROM (SELECT grp FROM temp.intake_close UNION SELECT grp FROM temp.intake_link
	      UNION SELECT id FROM temp.intake_object WHERE kind = 'group') u
	CROSS JOIN main.mirror_object o ON o.source = ?1 AND o.kind = 'group' AND o.id = u.grp AND o.state <> 'gone'
	LEFT JOIN temp.intake_touched t ON t.kind = 'group' AND t.id = u.grp
	-- Unchanged says nothing where another telling of the group says more.
	LEFT JOIN temp.intake_close f ON f.grp = u.grp AND f.ord = COALESCE(
	  (SELECT max(e.ord) FROM temp.intake_close e WHERE e.grp = u.grp AND e.state <> 'unchanged'),
	  (SELECT max(e.ord) FROM temp.intake_close e WHERE e.grp = u.grp))
	LEFT JOIN temp.intake_close w ON w.grp = u.grp AND w.ord = (
	  SELECT max(e.ord) FROM temp.intake_close e WHERE e.grp = u.grp AND e.given = 1)
	ORDER BY u.grp`

// judgeLinks decides for every group of the read how its links follow. Only rows
// that the loop does not write are open meanwhile.
func (c *commit) judgeLinks(ctx context.Context) error {
	rows, err := c.tx.query(ctx, linksRead, c.source())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var g groupRead
		if err := rows.Scan(&g.id, &g.mirrored, &g.why, &g.touched, &g.lastLink,
			&g.closed, &g.state, &g.given, &g.reason, &g.start, &g.whole, &g.base, &g.gone); err != nil {
			return err
		}
		mode, state, why := c.judge(&g)
		if mode == "" {
			continue
		}
		if _, err := c.tx.exec(ctx, `INSERT INTO temp.intake_verdict VALUES (?,?,?,?,?)`, g.id, mode, g.start, state, why); err != nil {
			return err
		}
	}
	return rows.Err()
}

// judge returns how the links of the group follow, what is known of them
// afterwards, and why that is not all; no mode means that the read says nothing
// about them.
func (c *commit) judge(g *groupRead) (string, LinksState, string) {
	fresh := g.touched.String == touchedNew || g.touched.String == touchedBack
	switch {
	case !g.closed.Valid && c.cp.NoLinks && !g.lastLink.Valid:
		return "", "", ""
	case !g.closed.Valid:
		return linksKeep, LinksUnknown, "the read did not say whether its members were complete"
	case g.lastLink.Valid && g.lastLink.Int64 > g.closed.Int64:
		return linksKeep, LinksUnknown, "members came after the source had closed the group"
	}
	switch LinksState(g.state.String) {
	case LinksComplete:
		switch {
		case c.full(identity.Group) || c.cp.Only:
		case g.whole.Valid:
			g.start = g.base
		case fresh || g.gone.Valid:
			// A group that was not there a moment ago is told from nothing.
			g.start = 0
		case g.mirrored == LinksComplete:
			g.start = 0
			return linksApply, LinksComplete, ""
		default:
			// What changed is known, but not what it changed.
			g.start = 0
			return linksApply, LinksUnknown, g.why
		}
		g.start = max(g.start, g.gone.Int64)
		return linksReplace, LinksComplete, ""
	case LinksUnchanged:
		switch {
		case g.lastLink.Valid:
			return linksKeep, LinksUnknown, "members came for a group that was said to be unchanged"
		case g.gone.Valid:
			return linksKeep, LinksUnknown, "the group came back within one read and its members were not told"
		case g.mirrored == LinksComplete:
			return linksKeep, LinksComplete, ""
		}
		return linksKeep, LinksUnknown, g.why
	case LinksUnknown:
	}
	return linksKeep, LinksUnknown, g.reason.String
}

// linksKnown writes down what is known of the links of the groups that were judged.
// ?1 is the source.
const (
	linksKnown = `UPDATE main.mirror_object SET links_state = v.state, links_why = v.why, links_version = ` + linksVersion + `
		FROM temp.intake_verdict v WHERE main.mirror_object.source = ?1 AND main.mirror_object.kind = 'group'
		  AND main.mirror_object.id IN (SELECT grp FROM temp.intake_verdict) AND main.mirror_object.id = v.grp
		  AND (main.mirror_object.links_state <> v.state OR main.mirror_object.links_why <> v.why
		    OR main.mirror_object.links_version <> ` + linksVersion + `)`
	linksVersion = `CASE v.state WHEN 'complete' THEN main.mirror_object.version ELSE '' END`
)

// applyLinks carries the verdicts out for all groups at once. It first finds the
// groups that change, so that the others, nearly all, cost no more than the
// comparison. CROSS JOIN keeps SQLite from choosing another order than verdicts
// first.
func (c *commit) applyLinks(ctx context.Context) error {
	const (
		// Links of the read that are not mirrored.
		begun = ` FROM temp.intake_link k WHERE k.grp = v.grp AND k.op = '+' AND k.ord > v.start AND NOT EXISTS (
			SELECT 1 FROM main.mirror_link m WHERE m.source = ?1 AND m.group_id = k.grp
			AND m.member_kind = k.member_kind AND m.member_id = k.member_id)`
		touched = ` EXISTS (SELECT 1 FROM temp.intake_touched t WHERE t.kind = 'group' AND t.id = v.grp)`
	)
	for _, query := range []string{
		// A group changes when a link begins, or, since none does, when the
		// numbers of links differ; or one that is mirrored ends; or what is
		// known of its links changes.
		`INSERT INTO temp.intake_touched SELECT 'group', v.grp, 'changed' FROM temp.intake_verdict v
			CROSS JOIN main.mirror_object o
			WHERE o.source = ?1 AND o.kind = 'group' AND o.id = v.grp AND NOT` + touched + ` AND (
			  o.links_state <> v.state
			  OR v.mode <> 'keep' AND EXISTS (SELECT 1` + begun + `)
			  OR v.mode = 'replace' AND (SELECT count(*) FROM temp.intake_link k WHERE k.grp = v.grp AND k.op = '+' AND k.ord > v.start)
			    <> (SELECT count(*) FROM main.mirror_link m WHERE m.source = ?1 AND m.group_id = v.grp)
			  OR v.mode = 'apply' AND EXISTS (SELECT 1 FROM temp.intake_link k CROSS JOIN main.mirror_link m
			    WHERE k.grp = v.grp AND k.op = '-' AND m.source = ?1 AND m.group_id = k.grp
			    AND m.member_kind = k.member_kind AND m.member_id = k.member_id))`,
		`DELETE FROM main.mirror_link WHERE (source, group_id, member_kind, member_id) IN (
			SELECT m.source, m.group_id, m.member_kind, m.member_id FROM temp.intake_verdict v CROSS JOIN main.mirror_link m
			WHERE m.source = ?1 AND m.group_id = v.grp AND` + touched + ` AND (
			  v.mode = 'replace' AND NOT EXISTS (SELECT 1 FROM temp.intake_link k WHERE k.grp = v.grp
			    AND k.member_kind = m.member_kind AND k.member_id = m.member_id AND k.op = '+' AND k.ord > v.start)
			  OR v.mode = 'apply' AND EXISTS (SELECT 1 FROM temp.intake_link k WHERE k.grp = v.grp
			    AND k.member_kind = m.member_kind AND k.member_id = m.member_id AND k.op = '-')))`,
		`INSERT INTO main.mirror_link (source, group_id, member_kind, member_id)
			SELECT ?1, k.grp, k.member_kind, k.member_id FROM temp.intake_verdict v CROSS JOIN temp.intake_link k
			WHERE k.grp = v.grp AND v.mode <> 'keep' AND k.op = '+' AND k.ord > v.start AND` + touched + `
			ON CONFLICT DO NOTHING`,
		linksKnown,
	} {
		if _, err := c.tx.exec(ctx, query, c.source()); err != nil {
			return err
		}
	}
	return nil
}
