package main

import "time"

// evidence is what was seen of one daemon and its source.
type evidence struct {
	name string
	// began is when the first life began, ended when the churn's last change
	// had been followed and the daemon was stopped.
	began, ended time.Time
	lives        []life
	hooks        []time.Time // that were accepted
	unheard      []time.Time // hooks whose answer never came: nobody knows
	runs         []run       // of the state file, in the order in which they began
	// secondPlan is the exit code of `plan --full --exit-code` at the end.
	secondPlan int
	// people are those who are active, at the source and at the application.
	source, application int
	quarantined         bool
	changes             int // made at the source
	sandboxCode         int // with which the sandbox ended
}

// life is one process of the daemon.
type life struct {
	up, down time.Time // up: it answered; down: it had ended
	ending   ending
	code     int // exit code; -1: ended by a signal
	starts   []start
	samples  []sample
}

// ending is how a life was ended.
type ending string

const (
	terminated ending = "SIGTERM"
	killed     ending = "SIGKILL"
	byItself   ending = "by itself"
)

// start is a run that the daemon said it began.
type start struct {
	at      time.Time
	trigger string
	fire    time.Time // zero for a hook
	result  string    // as the daemon said at its end; empty: it never did
}

// run is one run of the state file.
type run struct {
	id              string
	began, finished time.Time // finished is zero where it never was
	result          string
}

// sample is how a process stood at a moment.
type sample struct {
	at         time.Time
	rss        int64 // bytes; zero where it could not be measured
	goroutines int
}
