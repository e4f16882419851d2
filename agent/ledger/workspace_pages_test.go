package ledger

import (
	"errors"
	"fmt"
	"iter"
	"testing"

	"modernc.org/sqlite"
)

// A directory whose accounts are several times the cache of a test.
const accounts, teams, crew = 60_000, 60, 1_000

// misses returns how many pages were read from disk since it was last called.
func (r room) misses() int {
	r.t.Helper()
	n := 0
	must(r.t, r.conn.Raw(func(driver any) error {
		var err error
		n, _, err = driver.(sqlite.DBStatus).Status(sqlite.DBStatusCacheMiss, true)
		return err
	}))
	return n
}

// To find who is wanting and who is too many takes few pages from the disk, though
// the accounts are several times the cache and members are not in their order.
func TestMembersTakeFewPages(t *testing.T) { //nolint:paralleltest // SQLite's caches take pages from each other
	r := newRoom(t)
	ctx := t.Context()
	// Target ids are in another order than source ids.
	target := func(i int) string { return fmt.Sprintf("%08x-0000-77aa-8c14-%012d", uint32(i)*2246822519, i) }
	source := func(i int) string { return fmt.Sprintf("%08x-0000-4bcd-9e77-%012d", i, i) }
	must(t, r.Load(ctx, func() error {
		for i := range accounts {
			if err := r.PutAccount(ctx, source(i), target(i), fmt.Sprintf("person.%08d@example.com", i), true); err != nil {
				return err
			}
		}
		for g := range teams {
			id := fmt.Sprintf("g%03d", g)
			if err := r.exec(ctx, `INSERT INTO temp.team VALUES (?, 't' || ?1, ?1, 1, 1)`, id); err != nil {
				return err
			}
			members := make([]string, crew)
			for j := range members {
				i := (g*7919 + j*(accounts/crew)) % accounts
				members[j] = target(i)
				if err := r.put(ctx, `INSERT INTO temp.want_member VALUES (?,?)`, id, source(i)); err != nil {
					return err
				}
			}
			if err := r.putLiveMembers(ctx, "t"+id, members); err != nil {
				return err
			}
		}
		return nil
	}))
	if n := r.spanLength(); n == 0 || n > accounts/3 {
		t.Fatalf("spans of %d, which tells nothing", n)
	}
	must(t, r.index(ctx, accountIndex))
	wanting := func() error { return nobody(r.Joiners(ctx)) }
	for name, find := range map[string]func() error{
		"joiners":  wanting,
		"departed": func() error { return nobody(r.Departed(ctx)) },
		"live":     func() error { return members(r.CountMemberships(ctx)) },
		"wanted":   func() error { return members(r.CountWantedAll(ctx)) },
	} {
		if each := r.pages(find) / (teams * crew); each > 0.3 {
			t.Errorf("%s: %.2f pages for each membership, want at most 0.3", name, each)
		}
	}
	// That can fail: as one span it takes a page for most of them.
	r.spanning(0)
	if each := r.pages(wanting) / (teams * crew); each < 0.5 {
		t.Errorf("%.2f pages for each membership with all accounts in one span, which the bound should catch", each)
	}
}

// pages returns how many pages are read from disk meanwhile.
func (r room) pages(meanwhile func() error) float64 {
	r.t.Helper()
	r.misses()
	must(r.t, r.Load(r.t.Context(), meanwhile))
	return float64(r.misses())
}

func nobody(found iter.Seq2[TeamMember, error]) error {
	for m, err := range found {
		return errors.Join(err, fmt.Errorf("%s found", teamMember(m)))
	}
	return nil
}

func members(n int, err error) error {
	if err == nil && n != teams*crew {
		err = fmt.Errorf("%d memberships, want %d", n, teams*crew)
	}
	return err
}
