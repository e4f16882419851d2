package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/configs"
)

// Job is one thing to run.
type Job struct {
	// Name is unique, and what the memory goes by.
	Name string
	// Schedule is nil for a job that runs only when it is asked for.
	Schedule *configs.Schedule
	// Missed says what becomes of a fire that came while nobody was there;
	// empty is configs.MissedRun.
	Missed configs.Missed
	// Lanes are names that one running job at a time may hold, such as
	// "source:okta" and "target:alation".
	Lanes []string
	// Version stands for everything that decides what Run does, such as a hash
	// of the configuration: when it changes, a quarantine ends at once.
	Version string
	// Run does the work. It is called from a goroutine of its own, and never
	// twice at once for a job of one name. The context ends with Cut, when the
	// daemon gives up waiting; that it is to come to a clean stop, Run hears
	// from its owner.
	Run func(ctx context.Context, t Trigger) Outcome
}

// Trigger says what started a run.
type Trigger string

// The triggers. TriggerMissed answers fires that came while nobody was there, and
// makes up for a run that the end of the process cut off; TriggerRetry follows a quarantine or a lock that another process held.
const (
	TriggerSchedule Trigger = "schedule"
	TriggerMissed   Trigger = "missed"
	TriggerHook     Trigger = "hook"
	TriggerRetry    Trigger = "retry"
)

// Outcome is how a run ended.
type Outcome struct {
	// Word names the result for people and logs, in the words of the ledger's
	// runs.
	Word string
	// Failed counts towards the quarantine.
	Failed bool
	// Busy says that another process holds a lock, so that nothing was done:
	// no failure, no answer to a fire or a hook, and tried again soon.
	Busy bool
	// Err says what was wrong, in words that hold no credential. It is kept in
	// the memory and not logged here.
	Err error
}

// Standing is what is remembered of a job.
type Standing = ledger.Agenda

// Memory keeps the standings of jobs across restarts; *ledger.Ledger is one. It
// is safe for concurrent use.
type Memory interface {
	// Agendas returns all that is remembered, by the name of the job.
	Agendas(ctx context.Context) (map[string]Standing, error)
	// KeepAgenda replaces what is remembered of one job.
	KeepAgenda(ctx context.Context, name string, st Standing) error
}

var _ Memory = (*ledger.Ledger)(nil)

// Status is how a job stands now.
type Status struct {
	Name string
	// Next is when it is next due by its schedule or by itself; zero: only when
	// asked.
	Next time.Time
	// Running says since when and why it runs; nil: it does not.
	Running *Activity
	// Waiting says since when and why it is due and has not started: it waits
	// for its moment or for a lane; nil: it is not due.
	Waiting *Activity
	// Skipped and Missed count the occasions on which fires came to nothing
	// since this process began.
	Skipped, Missed int
	Standing
}

// Activity is one run, begun or to begin.
type Activity struct {
	Since   time.Time
	Trigger Trigger
}

// The conditions a caller may ask for with errors.Is.
var (
	// ErrUnknown says that there is no job of the name.
	ErrUnknown = errors.New("there is no such job")
	// ErrStopping says that nothing more is started.
	ErrStopping = errors.New("the scheduler is stopping")
)

// QuarantineError says that a job is not run for now because it kept failing.
type QuarantineError struct {
	Name     string
	Failures int       // in a row
	Until    time.Time // when it is tried again by itself
	Why      string    // what was wrong last; empty: its outcome did not say
}

// Error names the job, its failures and the end of the quarantine.
func (e *QuarantineError) Error() string {
	text := fmt.Sprintf("%s has failed %d times in a row and is tried again at %s", e.Name, e.Failures, e.Until.Format(time.RFC3339))
	if e.Why != "" {
		text += " (" + e.Why + ")"
	}
	return text
}
