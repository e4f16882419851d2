package entra

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

const (
	// tokenLife is how long Graph keeps a delta token of the directory
	// (learn.microsoft.com/graph/delta-query-overview, "Token duration").
	tokenLife = 7 * 24 * time.Hour
	// maxCursor bounds a cursor, and maxScope the ids kept in it.
	maxCursor     = 2 << 20
	maxScope      = 20_000
	cursorVersion = 1
)

// cursor is where a delta read starts.
type cursor struct {
	Version int `json:"v"`
	// Shape is what the links were asked for, apart from the fields: a link
	// of another tenant or scope answers another question.
	Shape  string    `json:"shape"`
	Users  *mark     `json:"users,omitempty"`
	Groups *mark     `json:"groups,omitempty"`
	Scope  *assigned `json:"scope,omitempty"`
}

// mark is where the rounds of one kind go on.
type mark struct {
	Link string `json:"link"`
	At   int64  `json:"at"` // unix seconds: when the round it ended was begun
	// Members says that the link tells of members too.
	Members bool `json:"members,omitempty"`
}

// assigned is what was assigned to the application. The lists are left out when
// they are too long for a cursor; the digest tells whether they changed.
type assigned struct {
	Users  []string `json:"users,omitempty"`
	Groups []string `json:"groups,omitempty"`
	// Within are the groups within the assigned ones, where those count.
	Within []string `json:"within,omitempty"`
	Digest string   `json:"digest"`
}

// seal sorts the lists and sets the digest.
func (a *assigned) seal() {
	h := sha256.New()
	for _, list := range []*[]string{&a.Users, &a.Groups} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
		h.Write([]byte(strings.Join(*list, ",") + ";"))
	}
	a.Digest = hex.EncodeToString(h.Sum(nil)[:16])
}

// kept returns what a cursor holds of a.
func (a *assigned) kept() *assigned {
	if len(a.Users)+len(a.Groups)+len(a.Within) > maxScope {
		return &assigned{Digest: a.Digest}
	}
	return a
}

// listed reports whether the lists are there.
func (a *assigned) listed() bool {
	return len(a.Users)+len(a.Groups) > 0 || a.Digest == (&assigned{}).digest()
}

func (a *assigned) digest() string {
	b := *a
	b.seal()
	return b.Digest
}

func (c cursor) encode() (connectors.Cursor, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	return connectors.Cursor(base64.RawURLEncoding.EncodeToString(data)), nil
}

// openCursor reads a cursor that must serve this query, at this time. Every
// error has class Expired: a full read mends them all.
func (r *reading) openCursor() (cursor, error) {
	refuse := func(why string) (cursor, error) {
		return cursor{}, connectors.Errorf(connectors.Expired, "the cursor %s: read in full", why)
	}
	if len(r.query.From) > maxCursor {
		return refuse("is too large")
	}
	data, err := base64.RawURLEncoding.DecodeString(string(r.query.From))
	if err != nil {
		return refuse("is not one of this source")
	}
	var c cursor
	if json.Unmarshal(data, &c) != nil || c.Version != cursorVersion {
		return refuse("is not one of this source")
	}
	if c.Shape != r.shape() {
		return refuse("was taken with other settings")
	}
	for _, kind := range r.tracked() {
		m := *c.of(kind)
		switch {
		case m == nil || m.Link == "":
			return refuse("does not cover " + kind.Plural())
		case kind == identity.Group && r.wantsMembers() && !m.Members:
			return refuse("does not cover memberships")
		case r.now().Sub(time.Unix(m.At, 0)) >= tokenLife:
			return refuse("is older than the seven days for which Graph keeps it")
		}
		_, err := rest.ResolveLink(r.client.base, m.Link)
		if err != nil || collection(m.Link) != collection(r.client.base.JoinPath(kind.Plural(), "delta").String()) {
			return refuse("leads elsewhere")
		}
	}
	if r.settings.AssignedTo != "" && c.Scope == nil {
		return refuse("does not know what was assigned")
	}
	return c, nil
}

// of returns the place of a kind's mark.
func (c *cursor) of(kind identity.Kind) **mark {
	if kind == identity.Group {
		return &c.Groups
	}
	return &c.Users
}

// shape is the digest of the settings that a cursor depends on.
func (s *Source) shape() string {
	nested := "direct"
	if s.settings.Nested {
		nested = "nested"
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		s.client.base.String(), strings.ToLower(s.settings.Tenant), strings.ToLower(s.settings.AssignedTo), nested,
	}, "\n")))
	return hex.EncodeToString(sum[:8])
}
