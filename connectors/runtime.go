package connectors

import (
	"log/slog"
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
}

// Traffic counts requests and waits of one source or target. Safe for
// concurrent use; the zero value is ready.
type Traffic struct {
	Requests  atomic.Int64 // sent, retries included
	Retries   atomic.Int64
	Throttled atomic.Int64 // answered "slow down"
	waited    atomic.Int64
}

// AddWait records time spent waiting for a limiter or for Retry-After.
func (t *Traffic) AddWait(d time.Duration) { t.waited.Add(int64(d)) }

// Waited returns the sum of the waits.
func (t *Traffic) Waited() time.Duration { return time.Duration(t.waited.Load()) }
