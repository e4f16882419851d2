package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
)

// The exit codes. Scripts rely on them; anything unlisted is a failure.
const (
	exitDone         = 0
	exitFailed       = 1
	exitPartial      = 3
	exitChanges      = 5
	exitConfig       = 10
	exitLocked       = 11
	exitUnauthorized = 12
	exitIncomplete   = 13
	exitHeld         = 20
	exitStale        = 21
	exitUsage        = 64
	exitInterrupted  = 130
)

// worst returns the more severe of two codes, for when several syncs end
// differently.
func worst(a, b int) int {
	for _, code := range [...]int{
		exitUsage, exitInterrupted, exitConfig, exitUnauthorized, exitIncomplete, exitLocked,
		exitFailed, exitHeld, exitStale, exitPartial, exitChanges, exitDone,
	} {
		if a == code || b == code {
			return code
		}
	}
	return exitFailed
}

// codeError carries an exit code with an error; a nil error has been said already.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// code returns an error that only sets the exit code, or nil for 0.
func code(n int) error {
	if n == exitDone {
		return nil
	}
	return &codeError{code: n}
}

// codeOf maps an error to its exit code.
func codeOf(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[*codeError](err); ok {
		return e.code
	}
	if both, ok := errors.AsType[*agent.BothError](err); ok {
		return worst(codeOf(both.Target), codeOf(both.Source))
	}
	if _, ok := errors.AsType[*configs.Error](err); ok {
		return exitConfig
	}
	if _, ok := errors.AsType[*ledger.LockedError](err); ok {
		return exitLocked
	}
	if _, ok := errors.AsType[*agent.StaleError](err); ok {
		return exitStale
	}
	if connectors.ClassOf(err) == connectors.Unauthorized {
		return exitUnauthorized
	}
	if _, ok := errors.AsType[*agent.IncompleteError](err); ok {
		return exitIncomplete
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, apply.ErrInterrupted) {
		return exitInterrupted
	}
	return exitFailed
}

// codeOfResult maps the end of a sync that was applied.
func codeOfResult(r agent.Result) int {
	code := exitDone
	if r.Partial() {
		code = exitPartial
	}
	if r.Stale > 0 {
		code = worst(code, exitStale)
	}
	if r.Refused {
		code = worst(code, exitHeld)
	}
	if stopped := r.Report.Stopped; stopped != nil {
		code = worst(code, codeOf(stopped))
	}
	return code
}

// exit says an error that nobody has said yet and returns its code.
func (a *app) exit(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[*codeError](err); ok && e.err == nil {
		return e.code
	}
	code := codeOf(err)
	if code == exitConfig { // it begins with the place in the file
		a.say("%s", a.explain(err))
		return code
	}
	a.say("scimsync: %s", a.explain(err))
	return code
}
