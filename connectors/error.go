package connectors

import (
	"errors"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/identity"
)

// Error is a failure of a source or target with its class. The transports make
// it from what came over the wire; vendors add Op and Ref.
type Error struct {
	// Op says what was being done, in a few words: "list users".
	Op string
	// Ref is the object concerned; zero where there is none.
	Ref   identity.Ref
	Class Class
	// Code is the vendor's own code: "E0000047", "uniqueness".
	Code string
	// RetryAfter is how long the other side asked to wait; zero where it
	// did not say.
	RetryAfter time.Duration
	// Err says what happened, for a person, without any credential.
	Err error
}

// Error returns OP REF: what happened.
func (e *Error) Error() string {
	text := string(e.Class)
	if e.Err != nil {
		text = e.Err.Error()
	}
	if !e.Ref.IsZero() {
		text = e.Ref.String() + ": " + text
	}
	if e.Op != "" {
		text = e.Op + ": " + text
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Class says what a failure means for the caller.
type Class string

// The classes.
const (
	// Unclassified: nothing is known; treat as a failure of this object.
	Unclassified Class = "unclassified"
	// Transient: the other side failed for now; the transport has retried.
	Transient Class = "transient"
	// Throttled: the other side asked to slow down, for longer than the
	// transport may wait.
	Throttled Class = "throttled"
	// Rejected: the request is understood and refused for its content.
	Rejected Class = "rejected"
	// Conflict: another object holds the name or key.
	Conflict Class = "conflict"
	// Missing: the object does not exist.
	Missing Class = "missing"
	// Expired: the cursor is too old; read in full.
	Expired Class = "expired"
	// Lost: a write was sent and no answer came; it may have happened.
	Lost Class = "lost"
	// Incomplete: a read ended before its end or cannot be proved whole.
	Incomplete Class = "incomplete"
	// Unsupported: the other side does not offer this.
	Unsupported Class = "unsupported"
	// Forbidden: not allowed for this object; others may go on.
	Forbidden Class = "forbidden"
	// Unauthorized: the credential is refused; the run stops.
	Unauthorized Class = "unauthorized"
)

// ClassOf returns the class of the first *Error in the chain of err, and
// Unclassified where there is none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Unclassified
}

// Errorf returns an *Error of the class with a formatted cause.
func Errorf(class Class, format string, args ...any) *Error {
	return &Error{Class: class, Err: fmt.Errorf(format, args...)}
}
