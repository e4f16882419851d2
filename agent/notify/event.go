package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Kind is the kind of an event, in the words of a sync's notify.events.
type Kind string

// The kinds of events.
const (
	GroupCreated Kind = "group_created" // a group was created at the target
	GroupExists  Kind = "group_exists"  // a group exists at the target and was left alone
	Failed       Kind = "failed"        // a change or a whole run failed, or an object could not be decided
	Held         Kind = "held"          // a guard keeps changes back
	Expiring     Kind = "credential_expiring"
	Stale        Kind = "stale"     // no complete run for too long
	Recovered    Kind = "recovered" // closes failed, held or stale; goes to those who heard of it
)

// Kinds returns the kinds in the order a message shows them.
func Kinds() []Kind {
	return []Kind{Failed, Held, Stale, Expiring, GroupExists, GroupCreated, Recovered}
}

// Severity says how much an event matters.
type Severity string

// The severities, from the lightest.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Grave   Severity = "error"
)

func (s Severity) rank() int {
	switch s {
	case Grave:
		return 2
	case Warning:
		return 1
	case Info:
	}
	return 0
}

// MostObjects bounds the objects an Event names one by one; what is beyond it
// is counted.
const MostObjects = 10_000

// Event is one thing that happened or stands in one sync.
type Event struct {
	Kind     Kind
	Severity Severity
	Sync     string
	Run      string // empty where no run is concerned
	Time     time.Time
	// Text says in a sentence, for a person, what the event is about; without
	// any credential. It may be empty where the objects say it.
	Text string
	// Objects are those concerned, at most MostObjects; none for an event
	// about the sync as a whole.
	Objects []Object
	// More counts the objects beyond MostObjects.
	More int
	// Condition names what stands, where there are no objects or more than
	// are listed. The same condition is told once.
	Condition string
	// Closes is the kind that a Recovered event closes.
	Closes Kind

	// quiet forgets without a message.
	quiet bool
}

// Object is an object of an event.
type Object struct {
	Ref  identity.Ref
	Name string
	// Detail says what happened to it, without any credential.
	Detail string
	// Condition names what stands about this object, such as the object and
	// the reason of its failure. For Recovered it is the beginning of the
	// conditions that are closed.
	Condition string
}

// RunFailed is the event of a run that failed as a whole: a source that could
// not be read, a credential that was refused. It stands until Recover(…, Failed).
func RunFailed(sync, run string, cause error, now time.Time) Event {
	text := cause.Error()
	return Event{
		Kind: Failed, Severity: Grave, Sync: sync, Run: run, Time: now,
		Text: text, Condition: wholeRun + fingerprint(stable(text)),
	}
}

// Staleness is the event of a sync without a complete run since last, which is
// zero where there never was one. It stands until Recover(…, Stale).
func Staleness(sync string, last, now time.Time) Event {
	text := "there has never been a complete run"
	if !last.IsZero() {
		text = fmt.Sprintf("the last complete run was at %s, %s ago", stamp(last), age(now.Sub(last)))
	}
	return Event{Kind: Stale, Severity: Warning, Sync: sync, Time: now, Text: text, Condition: "since"}
}

// Recover closes what stands about a sync as a whole: Failed closes failed runs
// (their objects are closed by Recoveries), Held and Stale close all of it. Where
// nothing was told, it tells nothing, so it may be sent after every good run.
func Recover(sync, run string, closes Kind, now time.Time) Event {
	e := Event{Kind: Recovered, Severity: Info, Sync: sync, Run: run, Time: now, Closes: closes}
	if closes == Failed {
		e.Condition = wholeRun
	}
	return e
}

const (
	wholeRun = "run/"
	overflow = "rest/"
)

// about returns the beginning of every condition of one object.
func about(ref identity.Ref) string { return url.PathEscape(ref.String()) + "/" }

// refOf returns the object a condition is about; false where it is about the
// run.
func refOf(condition string) (identity.Ref, bool) {
	head, _, ok := strings.Cut(condition, "/")
	if !ok {
		return identity.Ref{}, false
	}
	text, err := url.PathUnescape(head)
	kind, id, found := strings.Cut(text, ":")
	if err != nil || !found {
		return identity.Ref{}, false
	}
	return identity.Ref{Kind: identity.Kind(kind), ID: id}, true
}

// fingerprint is a short hash; 64 bits keep a million conditions apart.
func fingerprint(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash does not fail
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// stable returns the part of an error text that does not vary from run to run:
// words with digits, such as request ids and times, become #, but for numbers of
// up to three digits, such as a status.
func stable(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		bare := strings.Trim(word, `.,:;()[]"'`)
		digits := strings.Count(strings.Map(digitsToZero, bare), "0")
		if digits > 0 && (digits < len(bare) || digits > 3) {
			words[i] = "#"
		}
	}
	return strings.Join(words, " ")
}

func digitsToZero(r rune) rune {
	if r >= '0' && r <= '9' {
		return '0'
	}
	return r
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// age says a span in days or hours, as people do.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return counted(int(d/day), "day")
	case d >= time.Hour:
		return counted(int(d/time.Hour), "hour")
	}
	return counted(int(max(d, 0)/time.Minute), "minute")
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
