package connectors

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Runtime is what an implementation is given from outside when it is opened.
type Runtime struct {
	// Log receives what an operator may want to see; never attribute values
	// above Debug, never a credential.
	Log *slog.Logger
	// UserAgent names scimsync and its version to the other side.
	UserAgent string
	// Traffic counts what goes over the wire, for progress and reports.
	// Never nil.
	Traffic *Traffic
	// Learned is what an opening of the same settings found out before, or
	// still does; nil: nothing, and nobody else does.
	Learned *Learned
}

// Learned keeps what is found out about the other side beyond one opening of a
// source or target: how fast it may be asked. All openings it is given to share
// it. Safe for concurrent use; the zero value knows nothing.
type Learned struct {
	mu sync.Mutex
	is any
}

// Or returns what is kept, and keeps what begin returns where that is nothing.
func (l *Learned) Or(begin func() any) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.is == nil {
		l.is = begin()
	}
	return l.is
}

// Traffic counts requests and waits of one source or target. Safe for
// concurrent use; the zero value is ready.
type Traffic struct {
	Requests  atomic.Int64 // sent, retries included
	Retries   atomic.Int64
	Throttled atomic.Int64 // answered "slow down"
	waited    atomic.Int64
}

// AddWait records time spent waiting for a limit, known or told by a refusal. The
// pauses between tries of what failed for another reason are none.
func (t *Traffic) AddWait(d time.Duration) { t.waited.Add(int64(d)) }

// Waited returns the sum of the waits.
func (t *Traffic) Waited() time.Duration { return time.Duration(t.waited.Load()) }
