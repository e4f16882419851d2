package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/connectors"
)

// TestDaemonPaused demands that a paused sync is neither run nor asked for.
func TestDaemonPaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour))
	w.withServer("")
	d := w.daemon(nil)
	d.ran(1)
	l, err := ledger.Open(t.Context(), w.dir+"/scimsync.db")
	w.must(err)
	defer l.Close()
	w.must(l.Pause(t.Context(), ledger.Pause{Sync: "main", Since: time.Now(), Why: "a test"}))
	contains(t, d.runs(2), "result=paused")
	// It is known to the hooks a moment later.
	for late := time.Now().Add(patience); ; {
		code, body := d.hook("main")
		if code == http.StatusServiceUnavailable {
			contains(t, body, "paused")
			break
		}
		if time.Now().After(late) {
			t.Fatalf("a hook of a paused sync: %d %s", code, body)
		}
	}
	contains(t, w.command("status").out, "paused", "a test")
	d.stops()
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	stopped := func(err error) agent.Result { return agent.Result{Report: apply.Report{Stopped: err}} }
	unauthorized := connectors.Errorf(connectors.Unauthorized, "refused")
	for _, test := range []struct {
		name         string
		err          error // before a plan
		result       agent.Result
		failure      error
		word         string
		failed, busy bool
	}{
		{name: "lock", err: &ledger.LockedError{Name: "x"}, word: "busy", busy: true},
		{name: "stopped while reading", err: fmt.Errorf("read: %w", context.Canceled), word: "interrupted", busy: true},
		{name: "credential", err: unauthorized, word: "unauthorized", failed: true},
		{name: "incomplete", err: &agent.IncompleteError{Err: errors.New("x")}, word: "incomplete", failed: true},
		{name: "anything else", err: errors.New("x"), word: "failed", failed: true},
		{name: "done", word: "done"},
		{name: "partial", result: agent.Result{Undecided: 1}, word: "partial"},
		{name: "held", result: agent.Result{Refused: true}, word: "held"},
		{name: "ledger", failure: errors.New("disk"), word: "failed", failed: true},
		{name: "stopped while writing", result: stopped(apply.ErrInterrupted), word: "interrupted", busy: true},
		{name: "cut off while writing", result: stopped(context.Canceled), word: "interrupted", busy: true},
		{name: "cut off, and the ledger with it", failure: fmt.Errorf("ledger: %w", context.Canceled), word: "interrupted", busy: true},
		{name: "credential ended", result: stopped(unauthorized), word: "unauthorized", failed: true},
		{name: "target went away", result: stopped(errors.New("x")), word: "stopped", failed: true},
	} {
		out := outcomeOfResult(test.result, test.failure)
		if test.err != nil {
			out = outcomeOf(test.err)
		}
		if out.Word != test.word || out.Failed != test.failed || out.Busy != test.busy || out.Failed && out.Err == nil {
			t.Errorf("%s: %+v", test.name, out)
		}
	}
}

// TestTellings demands that tellings of one sync keep their order, those of others
// do not wait for them, and that the end comes when somebody does not listen.
func TestTellings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tell := newTellings(t.Context())
		var mu sync.Mutex
		var heard []string
		say := func(text string, takes time.Duration) func(context.Context) {
			return func(ctx context.Context) {
				select {
				case <-time.After(takes):
				case <-ctx.Done():
					text += " cut off"
				}
				mu.Lock()
				defer mu.Unlock()
				heard = append(heard, text)
			}
		}
		began := time.Now()
		tell.after("a", say("a1", time.Minute))
		tell.after("b", say("b1", time.Second))
		tell.after("a", say("a2", time.Second))
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("the second telling of a began after %s", waited)
		}
		tell.wait(5 * time.Second)
		tell.after("c", say("c1", time.Hour))
		tell.wait(5 * time.Second)
		if want := []string{"b1", "a1", "a2", "c1 cut off"}; !slices.Equal(heard, want) {
			t.Errorf("%q, want %q", heard, want)
		}
	})
}
