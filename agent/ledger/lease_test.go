package ledger

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/identity"
)

func TestLock(t *testing.T) {
	t.Parallel()
	l := open(t)
	first, err := l.Lock(t.Context(), "host a, run 1", "sync:x", "source:y", "sync:x")
	if err != nil {
		t.Fatal(err)
	}
	// Another order, one name in common: all or none.
	_, err = l.Lock(t.Context(), "host b", "sync:z", "sync:x", "a")
	locked, ok := errors.AsType[*LockedError](err)
	if !ok || locked.Name != "sync:x" || locked.Holder != "host a, run 1" || time.Since(locked.Since).Abs() > time.Minute {
		t.Fatalf("got %#v", err)
	}
	if !strings.Contains(err.Error(), "sync:x is locked by host a, run 1 since 20") {
		t.Errorf("got %q", err)
	}
	second, err := l.Lock(t.Context(), "host b", "sync:z", "a")
	if err != nil {
		t.Fatalf("the refused lock kept a name: %v", err)
	}
	for _, lease := range []*Lease{first, second, first} {
		if err := lease.Release(); err != nil {
			t.Fatal(err)
		}
	}
	third, err := l.Lock(t.Context(), "host b", "source:y", "sync:x")
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Valid(t.Context()); err != nil {
		t.Error(err)
	}
	if err := first.Valid(t.Context()); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("a released lease that was taken over: %v", err)
	}
	if err := third.Release(); err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{nil, {""}, {"a", ""}} {
		if _, err := l.Lock(t.Context(), "host", names...); err == nil {
			t.Errorf("%q could be locked", names)
		}
	}
}

// TestLostLease: whoever was overtaken journals nothing more.
func TestLostLease(t *testing.T) {
	t.Parallel()
	l := open(t)
	lease, err := l.Lock(t.Context(), "slow", "sync:x")
	if err != nil {
		t.Fatal(err)
	}
	start(t, l, "run")
	// What a file system without working locks would let happen.
	overtaker := &Lease{ledger: l, holder: "fast", names: lease.names, epochs: map[string]int64{}}
	if err := overtaker.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Intend(t.Context(), lease, "run", "sync", changes("a")); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("got %v", err)
	}
	if n := len(opened(t, l)); n != 0 {
		t.Errorf("%d intents were journaled", n)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	var holder string
	if err := l.db.QueryRowContext(t.Context(), "SELECT holder FROM lease").Scan(&holder); err != nil || holder != "fast" {
		t.Errorf("the release took the row of %q: %v", holder, err)
	}
}

func TestLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scimsync.db")
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		lease, err := l.Lock(t.Context(), "host", "sync:x")
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		time.Sleep(leaseRenewal*3 + time.Second)
		synctest.Wait()
		var acquired, expires int64
		if err := l.db.QueryRowContext(t.Context(), "SELECT acquired, expires FROM lease").Scan(&acquired, &expires); err != nil {
			t.Fatal(err)
		}
		if want := begun.Add(3*leaseRenewal + leaseExpiry); !fromMillis(acquired).Equal(begun.Truncate(time.Millisecond)) || !fromMillis(expires).Equal(want.Truncate(time.Millisecond)) {
			t.Errorf("acquired %v, expires %v, want %v and %v", fromMillis(acquired), fromMillis(expires), begun, want)
		}
		if err := lease.Release(); err != nil {
			t.Fatal(err)
		}
		if err := l.db.QueryRowContext(t.Context(), "SELECT expires FROM lease").Scan(&expires); err != nil || expires != 0 {
			t.Errorf("released, it expires %v (%v)", fromMillis(expires), err)
		}
	})
}

func start(t testing.TB, l *Ledger, run string) {
	t.Helper()
	if err := l.StartRun(t.Context(), Run{ID: run, Sync: "sync", Cycle: "full", ConfigHash: "h", Started: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

func changes(ids ...string) []identity.Change {
	var out []identity.Change
	for _, id := range ids {
		out = append(out, identity.Change{
			Op: identity.Create, Ref: user(id), Name: id + "@example.com", Cause: identity.CauseNew, Reason: "new at the source",
			Attributes: []identity.Attribute{
				{Path: "active", After: true}, {Path: "manager", Before: "t1", After: identity.Reference{Ref: user("boss")}},
			},
			Members: []identity.Member{{Ref: user("m"), TargetID: "tm", Name: "M"}},
		})
	}
	return out
}

func opened(t testing.TB, l *Ledger) []Journaled {
	t.Helper()
	var out []Journaled
	for j, err := range l.OpenIntents(t.Context(), "sync") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, j)
	}
	return out
}
