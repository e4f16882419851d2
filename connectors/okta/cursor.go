package okta

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const (
	// overlap is how far a delta read goes back behind the start of the read
	// before it. The lists by time and the System Log are answered from indexes
	// that lag by seconds, on bad days by minutes; what is told twice costs
	// little, because it is recognised.
	overlap = 10 * time.Minute
	// margin is how far the first delta read goes back behind the start of the
	// full one: the clocks of Okta's servers differ, and the full read saw
	// everything older than that.
	margin = time.Minute
	// retention is how long Okta keeps its System Log (developer.okta.com,
	// reference/system-log-query, "Data retention": 90 days), less a day.
	retention = 89 * 24 * time.Hour
	// maxSeen bounds the entries of the log remembered, and maxCursor a cursor.
	maxSeen   = 1000
	maxCursor = 256 << 10

	cursorVersion = 1
)

// cursor is where a delta read starts. Its times are by Okta's clock.
type cursor struct {
	Version int `json:"v"`
	// Shape is the digest of the settings that a cursor depends on.
	Shape string `json:"shape"`
	// Kinds and Links are what the reads before it covered.
	Kinds []identity.Kind `json:"kinds"`
	Links bool            `json:"links,omitempty"`
	// Since is when the read before it began, and Full when the last full one
	// did; unix seconds.
	Since int64 `json:"since"`
	Full  int64 `json:"full"`
	// Size is how many objects the last full read found. It says what another
	// one would cost.
	Size int `json:"size"`
	// Assigned is the digest of the groups assigned to the app.
	Assigned string `json:"assigned,omitempty"`
	// Seen are entries of the log that have been dealt with.
	Seen []string `json:"seen,omitempty"`
}

func (c cursor) encode() (connectors.Cursor, error) {
	data, err := json.Marshal(c)
	return connectors.Cursor(data), err
}

// from returns where a delta read starts to look: behind the start of the read
// before it, but not behind that of the full one.
func (c cursor) from() time.Time {
	since := time.Unix(c.Since, 0).Add(-overlap)
	if full := time.Unix(c.Full, 0).Add(-margin); full.After(since) {
		return full
	}
	return since
}

// few is up to how many objects are read one by one. A full read costs a request
// for two hundred objects or more, so beyond that it is the cheaper one.
func (c cursor) few() int { return max(100, c.Size/100) }

// expired is the error of a delta read that a full one mends.
func expired(why string) error {
	return connectors.Errorf(connectors.Expired, "%s: read in full", why)
}

// openCursor reads a cursor that must serve this query. Every error has class
// Expired.
func (r *reading) openCursor() (cursor, error) {
	var c cursor
	switch {
	case len(r.query.From) > maxCursor:
		return c, expired("the cursor is too large")
	case json.Unmarshal([]byte(r.query.From), &c) != nil || c.Version != cursorVersion || c.Since <= 0 || c.Full <= 0:
		return c, expired("the cursor is not one of this source")
	case c.Shape != r.shape():
		return c, expired("the cursor was taken with other settings")
	case r.query.Links && !c.Links:
		return c, expired("the cursor does not cover memberships")
	}
	for _, kind := range r.query.Kinds {
		if !slices.Contains(c.Kinds, kind) {
			return c, expired("the cursor does not cover " + kind.Plural())
		}
	}
	return c, nil
}

// shape is the digest of the settings that a cursor depends on.
func (s *Source) shape() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.base.String(), s.settings.App}, "\n")))
	return hex.EncodeToString(sum[:8])
}

// digest returns the digest of a set of ids.
func digest(ids []string) string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(ids), "\n")))
	return hex.EncodeToString(sum[:16])
}
