package notify

import (
	"fmt"
	"slices"
	"time"
)

const wholeDay = 24 * time.Hour

// DefaultWarn returns when the end of a credential is told of where a
// configuration says nothing: 15 days before, the day before, the day, and the
// day after.
func DefaultWarn() []time.Duration {
	return []time.Duration{15 * wholeDay, wholeDay, 0, -wholeDay}
}

// Due returns the threshold of warn that is due at now for a credential that
// ends at expiry: the latest that has begun, so that a first look three days
// before the end tells 15d once, and a long pause never tells several at once. A
// threshold is a time before the end; a negative one is after it.
//
// Thresholds of whole days go by the calendar in expiry's location: 0d begins at
// midnight of the day the credential ends, 1d at midnight of the day before.
// Others are exact. It is false where none has begun, or expiry is zero.
func Due(expiry time.Time, warn []time.Duration, now time.Time) (time.Duration, bool) {
	if expiry.IsZero() {
		return 0, false
	}
	for _, threshold := range slices.Sorted(slices.Values(warn)) {
		if !now.Before(begins(expiry, threshold)) {
			return threshold, true
		}
	}
	return 0, false
}

func begins(expiry time.Time, threshold time.Duration) time.Time {
	if threshold%wholeDay != 0 {
		return expiry.Add(-threshold)
	}
	year, month, day := expiry.Date()
	return time.Date(year, month, day-int(threshold/wholeDay), 0, 0, 0, 0, expiry.Location())
}

// CredentialExpiring returns the event of a credential for the threshold that is
// due at now, if any. Side names whose it is: "source okta", "target alation". It
// is told once for each end and threshold, to each notifier, however many syncs
// use the credential; a renewed credential has another end and begins anew.
func CredentialExpiring(sync, side string, expiry time.Time, warn []time.Duration, now time.Time) (Event, bool) {
	threshold, due := Due(expiry, warn, now)
	if !due {
		return Event{}, false
	}
	e := Event{
		Kind: Expiring, Severity: Warning, Sync: sync, Time: now,
		Text:      fmt.Sprintf("the credential of %s ends at %s, in %s: renew it", side, stamp(expiry), age(expiry.Sub(now))),
		Condition: fmt.Sprintf("%s/%d/%s", fingerprint(side), expiry.Unix(), threshold),
	}
	if !now.Before(expiry) {
		e.Severity = Grave
		e.Text = fmt.Sprintf("the credential of %s ended at %s, %s ago: renew it", side, stamp(expiry), age(now.Sub(expiry)))
	}
	return e, true
}
