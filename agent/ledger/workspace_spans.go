package ledger

import (
	"context"
	"database/sql"
)

// span is a range of ids: those above low, up to high. The last one has no end.
type span struct {
	low  string
	high sql.NullString
}

// Within a span, by parameters ?1 and ?2. A blob sorts after all text
// (https://sqlite.org/datatype3.html, section 4.1).
const (
	wantedInSpan = ` m.user_id > ?1 AND m.user_id <= COALESCE(?2, x'') `
	liveInSpan   = ` l.member_id > ?1 AND l.member_id <= COALESCE(?2, x'') `
)

// volume is how many rows there are and how many bytes they take.
type volume struct{ n, bytes int }

func (v *volume) add(bytes int) { v.n, v.bytes = v.n+1, v.bytes+bytes }

const (
	// accountRow is how many bytes an account takes in its table or index
	// beside its texts, with what pages leave free.
	accountRow = 24
	// spanShare is which part of the cache a span of accounts may fill: the
	// rest is for the members they are joined to.
	spanShare = 2
	// fewTeams is how many teams are looked at before what was found is
	// counted, and unsettledShare which part of a span may be found before it
	// is written to disk.
	fewTeams       = 64
	unsettledShare = 4
)

// sourceSpans divides the accounts by source id so that the cache holds those of a
// span. Members come in the order of their groups, so that to look each one's account
// up is a page from the disk for nearly every member as soon as the cache does not
// hold all accounts. Where it does, there is one span.
func (w *Workspace) sourceSpans(ctx context.Context) ([]span, error) {
	return w.divide(ctx, `SELECT source_id FROM temp.account WHERE source_id > ? ORDER BY source_id LIMIT 1 OFFSET ?`, w.spanLength())
}

// targetSpans is sourceSpans by target id.
func (w *Workspace) targetSpans(ctx context.Context) ([]span, error) {
	if err := w.index(ctx, accountIndex); err != nil {
		return nil, err
	}
	return w.divide(ctx, `SELECT target_id FROM temp.account WHERE target_id > ? ORDER BY target_id LIMIT 1 OFFSET ?`, w.spanLength())
}

// spanLength returns how many accounts a span has; 0 says that all fit into one.
func (w *Workspace) spanLength() int {
	fits := max(w.caches.temp, tempCache) << 10 / spanShare
	if w.enrolled.bytes <= fits {
		return 0
	}
	return max(1, fits/(w.enrolled.bytes/w.enrolled.n))
}

// divide returns spans of so many rows each, by a query for the id that is so many
// after another; 0 makes one span of all.
func (w *Workspace) divide(ctx context.Context, query string, length int) ([]span, error) {
	var out []span
	for low, more := "", length > 0; ; {
		s := span{low: low}
		if more {
			var err error
			if more, err = w.row(ctx, query, []any{low, length - 1}, &s.high); err != nil {
				return nil, err
			}
		}
		out = append(out, s)
		if !more {
			return out, nil
		}
		low = s.high.String
	}
}

// countSpans adds up what a query counts in each span.
func (w *Workspace) countSpans(ctx context.Context, spans []span, query string) (int, error) {
	total := 0
	for _, s := range spans {
		if err := w.settle(ctx); err != nil {
			return 0, err
		}
		n, err := w.count(ctx, query, s.low, s.high)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
