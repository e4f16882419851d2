package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestDiskFullAfterCreate takes the room for the state file away just after the
// target has made an account, in full and in delta cycles.
func TestDiskFullAfterCreate(t *testing.T) {
	t.Parallel()
	onAWorkingDay(t, func(t *testing.T, u *unruly, _ *model) {
		before := u.active()
		began := make(chan *process, 1)
		post := func(r *http.Request) bool { return r.Method == http.MethodPost }
		u.target.arm(post, 1, func(w http.ResponseWriter, r *http.Request) {
			whole := recorded(u.application, w, r)
			if err := limitFiles((<-began).cmd.Process.Pid); err != nil {
				t.Errorf("limit the size of files: %v", err)
			}
			_, _ = w.Write(whole)
		})
		p := u.start(nil, "sync")
		began <- p
		r := p.end()
		if u.target.disarm() != 1 || r.code != exitFailed || !strings.Contains(r.err, "ledger ") {
			t.Errorf("want exit %d and the name of the state file\n%s", exitFailed, r)
		}
		if lost := u.lost(before); len(lost) > 1 {
			t.Errorf("%v were switched off\n%s", lost, r)
		}
		if problem := u.settles(); problem != "" {
			t.Error(problem)
		}
		u.nothingOpen()
	})
}

// TestStateTurnsReadOnly takes the right to write the state file away between two
// runs: nothing is written to the target that nobody could write down.
func TestStateTurnsReadOnly(t *testing.T) {
	t.Parallel()
	onAWorkingDay(t, func(t *testing.T, u *unruly, _ *model) {
		before, state := u.everything(), u.dir+"/scimsync.db"
		u.must(os.Chmod(state, 0o400))
		r := u.start([]string{"LOSE_RIGHTS=1"}, "sync").end()
		if r.code != exitFailed || !strings.Contains(r.err, "scimsync.db") {
			t.Errorf("want exit %d and the name of the state file\n%s", exitFailed, r)
		}
		if u.everything() != before {
			t.Errorf("the target was changed\n%s", r)
		}
		u.must(os.Chmod(state, 0o600))
		if problem := u.settles(); problem != "" {
			t.Error(problem)
		}
	})
}
