// Package connectors holds the contracts between the agent and the outside: how
// a directory is read (Source), how an application is written (Target, Session,
// Profile), and how failures are classed (Error). It is one of the two tours of
// the house; the other is package agent.
//
// It is not a place for behaviour of any vendor: an implementation lives in a
// folder of its own and is known to package all only. It imports identity only.
//
// # Reading
//
// A Source yields Events. The last one of a whole read is a Checkpoint, and it
// is the only proof of completeness: without it nothing that was not seen may
// be taken for absent. A record that cannot be read is Unreadable, which shields
// it; members that cannot be read are unknown, which shields the group's.
//
// # Writing
//
// A Target opens a Session after asking the application what it can do. The
// Session lists, finds and applies one Change at a time; it is safe for
// concurrent use, with at most one Change in flight per object. Its Profile is
// data: what the application can and cannot do, and the form it keeps values in.
//
// # Failing
//
// Every error that leaves an implementation carries an *Error somewhere in its
// chain, so that errors.As tells its Class. Transports below this package pace
// and retry; a caller that sees an error does not retry the same call, except
// after looking up what became of a Lost write.
//
// # Proving
//
// Package connectortest runs the conformance suites. An implementation joins in
// ten lines, and an outside one can too.
package connectors
