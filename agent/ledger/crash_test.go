package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// childFlag makes the test binary a process that dies, or is killed, in the
// middle of what its arguments say: PATH, WORK and the failpoint to stop at.
const childFlag = "-ledger-child"

func child(args []string) int {
	path, work, point := args[0], args[1], args[2]
	ctx := context.Background()
	l, err := OpenWith(ctx, path, Options{Failpoint: func(name string) {
		if name == point {
			fmt.Println("here") // and wait to be killed
			select {}
		}
	}})
	if err == nil {
		err = map[string]func(context.Context, *Ledger) error{"open": nothing, "commit": childCommit, "journal": childJournal}[work](ctx, l)
	}
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("done")
	return 0
}

func nothing(context.Context, *Ledger) error { return nil }

func childCommit(ctx context.Context, l *Ledger) error {
	in, err := l.Mirror("src").Begin(ctx)
	if err != nil {
		return err
	}
	for _, e := range small() {
		if err := e(in); err != nil {
			return err
		}
	}
	_, err = in.Commit(ctx, full("child"), []string{"sync"})
	return err
}

func childJournal(ctx context.Context, l *Ledger) error {
	lease, err := l.Lock(ctx, "child", "sync:sync")
	if err != nil {
		return err
	}
	if err := l.StartRun(ctx, Run{ID: "child", Sync: "sync", Cycle: "full", Started: time.Now()}); err != nil {
		return err
	}
	seqs, err := l.Intend(ctx, lease, "child", "sync", changes("a", "b"))
	if err != nil {
		return err
	}
	if err := l.Settle(ctx, []Outcome{{
		Run: "child", Seq: seqs[0], Ref: user("a"), TargetID: "ta", Outcome: plan.Applied,
		Own:   &Owned{Sync: "sync", Ref: user("a"), Target: "target", TargetID: "ta", Origin: OriginCreated},
		Clear: []Dirty{{Ref: user("a")}},
	}}); err != nil {
		return err
	}
	return lease.Release()
}

// killAt runs a child up to the failpoint and kills it there.
func killAt(t *testing.T, path, work, point string, before func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], childFlag, path, work, point)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "here\n" {
		t.Errorf("the child never came to %s: %q, %v", point, line, err)
	}
	if before != nil {
		before()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Errorf("the child ended by itself before it was killed at %s", point)
	}
}

func TestKilledWhileMigrating(t *testing.T) {
	t.Parallel()
	for _, point := range []string{migrating + BeforeWrite, migrating + InsideWrite, migrating + AfterWrite} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "scimsync.db")
			killAt(t, path, "open", point, nil)
			l, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			read(t, l.Mirror("src"), full("1"), small()...)
		})
	}
}

func TestKilledWhileCommitting(t *testing.T) {
	t.Parallel()
	for point, kept := range map[string]bool{"commit the read of src, before": false, "commit the read of src, inside": false, "commit the read of src, after": true} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			killAt(t, l.Path(), "commit", point, nil)
			m := l.Mirror("src")
			mark, marked, err := m.Bookmark(t.Context())
			if err != nil || marked != kept || kept && mark.Cursor != "child" {
				t.Errorf("bookmark: %+v, %v, %v", mark, marked, err)
			}
			want := 0
			if kept {
				want = 3
			}
			if n := len(look(t, m).Objects); n != want {
				t.Errorf("%d objects are mirrored, want %d", n, want)
			}
			if n := len(dirtied(t, l)); n != want {
				t.Errorf("%d objects are dirty, want %d", n, want)
			}
			read(t, m, full("2"), small()...)
		})
	}
}

func TestKilledWhileJournaling(t *testing.T) {
	t.Parallel()
	for point, want := range map[string]struct {
		open    int
		settled bool
	}{
		"journal intents, before": {0, false}, "journal intents, inside": {0, false}, "journal intents, after": {2, false},
		"journal outcomes, before": {2, false}, "journal outcomes, inside": {2, false}, "journal outcomes, after": {1, true},
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			if err := l.MarkDirty(t.Context(), "sync", "", user("a"), user("b")); err != nil {
				t.Fatal(err)
			}
			killAt(t, l.Path(), "journal", point, func() {
				_, err := l.Lock(t.Context(), "parent", "sync:sync")
				if locked, ok := errors.AsType[*LockedError](err); !ok || locked.Holder != "child" {
					t.Errorf("while the child lives: %v", err)
				}
			})
			// The lock has died with it.
			lease, err := l.Lock(t.Context(), "parent", "sync:sync")
			if err != nil {
				t.Fatal(err)
			}
			defer lease.Release()
			if n := len(opened(t, l)); n != want.open {
				t.Errorf("%d intents are open, want %d", n, want.open)
			}
			_, owned, err := l.OwnedBy(t.Context(), "target", identity.User, "ta")
			if err != nil || owned != want.settled {
				t.Errorf("owned: %v, %v", owned, err)
			}
			_, dirty, err := l.DirtyOf(t.Context(), "sync", user("a"))
			if err != nil || dirty == want.settled {
				t.Errorf("dirty: %v, %v", dirty, err)
			}
			last, _, err := l.LastRun(t.Context(), "sync")
			if err != nil || last.ID != "child" || !last.Finished.IsZero() {
				t.Errorf("last run: %+v, %v", last, err)
			}
		})
	}
}
