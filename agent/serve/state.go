package serve

import "time"

// State is how things stand at the moment of a scrape.
type State struct {
	Syncs       []SyncState
	Credentials []CredentialState
}

// SyncState is how one sync stands. A zero time, and a nil Counts, are left out.
type SyncState struct {
	Name string
	// LastRun is when the last run ended, LastSuccess when the last one did that
	// read everything and tried everything.
	LastRun, LastSuccess time.Time
	NextRun              time.Time
	Running              bool
	Quarantined, Paused  bool
	// Failures counts the runs that failed one after the other.
	Failures int
	Counts   *SyncCounts
}

// SyncCounts is what the ledger holds of a sync.
type SyncCounts struct {
	Held, Dirty   int
	Users, Groups int // owned
	// Skipped and Undecided are objects that the last run left alone, because
	// policy says so, and because it could not decide.
	Skipped, Undecided int
}

// CredentialState says when the credential of a source or target ends.
type CredentialState struct {
	Side, Name string
	Expires    time.Time
}
