// Package scimtest is a strict, persistent SCIM 2.0 service provider that runs
// in the process: for tests, for the sandbox people try scimsync in, and for
// benchmarks. It is built to the text of RFC 7643, RFC 7644 and RFC 9865 and to
// no client's habits, so that a client which passes here follows the standard.
//
// What real servers do differently is in [Hazards]: independent switches, each
// of which counts how often it fired. A test that sets a hazard should insist
// that [Server.Fired] names it.
//
// A request under /sandbox/ plays "somebody else edits the target", for people
// with curl; the methods of [Server] do the same for tests.
//
// It is not a server for production: it keeps everything in memory, speaks
// plain HTTP on loopback, and is tampered with on purpose. It offers no Bulk
// (RFC 7644, section 3.7) and no /Me (section 3.11).
//
// The files: options.go and hazards.go say what can be set; server.go and
// route.go carry a request to its answer; list.go, write.go and patch.go are
// the operations; filter.go, evaluate.go and path.go are the two grammars;
// schema.go and clean.go say what a resource may hold; store.go and journal.go
// keep it; inspect.go and sandbox.go look at it and tamper with it.
package scimtest
