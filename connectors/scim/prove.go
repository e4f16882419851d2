package scim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// memory is what a session leaves to a later one. A field that is not what it was
// makes it of no use, which costs three requests.
type memory struct {
	Facts        facts `json:"facts"`
	TotalsHonest bool  `json:"totals_honest"`
	IgnoresCount bool  `json:"ignores_count"`
}

// Facts returns what discovery and the first page of users said; nil where
// discovery failed.
func (s *session) Facts() []byte {
	if s.guessed {
		return nil
	}
	// Numbers and words only: there is nothing that could not be encoded.
	data, _ := json.Marshal(memory{
		Facts: s.facts, TotalsHonest: s.learned.totalsHonest.Load(), IgnoresCount: s.learned.ignoresCount.Load(),
	})
	return data
}

// Reopen returns a session that goes by what an earlier one has found out.
func (t *target) Reopen(ctx context.Context, remembered []byte) connectors.Session {
	var m memory
	if json.Unmarshal(remembered, &m) != nil {
		return nil
	}
	s := t.session(ctx)
	s.facts = m.Facts
	s.learned.totalsHonest.Store(m.TotalsHonest)
	s.learned.ignoresCount.Store(m.IgnoresCount)
	s.describe(t.settings.address(), t.settings.Limits.merge(t.product))
	return s
}

// Prove asks for one user, unless the service has shown one, or a group, already:
// that something was not found proves nothing.
func (s *session) Prove(ctx context.Context) error {
	if s.learned.answered.Load() {
		return nil
	}
	return s.wrap("open target", identity.Ref{}, s.prove(ctx))
}

// prove reads one user: the least request every target answers.
func (s *session) prove(ctx context.Context) error {
	q := query{{"count", "1"}}
	if s.product.Paging != cursorPaging {
		q = query{{"startIndex", "1"}, {"count", "1"}}
	}
	resp, err := s.send(ctx, http.MethodGet, withQuery(s.at("Users"), q), nil, "")
	if err == nil {
		defer resp.Body.Close()
		var page listPage
		page, err = readPage(resp, identity.User, pageBytes)
		s.learnTotals(page)
		s.learned.ignoresCount.Store(page.count > 1)
	}
	s.learned.answered.Store(err == nil)
	switch connectors.ClassOf(err) {
	case connectors.Unsupported:
		edition := "it is not in this edition, or is not switched on"
		if s.product.Name == "collate" {
			edition = "SCIM is in Collate's managed edition only, where Collate switches it on; the open-source OpenMetadata does not have it"
		}
		return connectors.Errorf(connectors.Unsupported, "the target does not implement SCIM: %s: %w", edition, err)
	case connectors.Missing:
		return connectors.Errorf(connectors.Unsupported, "there is no SCIM service below the configured url; check its path: %w", err)
	case connectors.Forbidden:
		err = connectors.Errorf(connectors.Unauthorized, "the credential may not read users; give it the right to provision: %w", err)
	default:
		if err == nil {
			return nil
		}
		err = fmt.Errorf("read one user: %w", err)
	}
	if s.passwordHint != "" && isClass(err, connectors.Unauthorized) {
		return fmt.Errorf("%w (%s)", err, s.passwordHint)
	}
	return err
}
