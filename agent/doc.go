// Package agent keeps one target in step with one source: it reads, plans,
// guards, applies and reports for one sync. It is one of the two tours of the
// house; the other is package connectors.
//
// It knows no vendor, no file format and no terminal. Deciding what changes is
// agent/plan's, sending is agent/apply's, remembering is agent/ledger's, and
// showing is agent/render's.
//
// # A cycle
//
//	                 extent.go    whether the cycle is about everything, or about
//	                              what has changed
//	Source.Read      read.go      pages become events; events become the mirror,
//	                              committed only with the Checkpoint
//	                 due.go       in a delta: which objects are looked at
//	Mapper.Map       desire.go    the mirror becomes what the target should hold,
//	Profile.Normalize             in the form the target keeps it
//	Session.List     observe.go   what the target holds, or, where it cannot be
//	                              listed, what look-ups find
//	join             match.go     which live object belongs to which source object
//	plan.Diff        compare.go   what must change, object by object
//	                 members.go   and membership by membership
//	plan.Arrange     names.go     in an order in which names come free in time
//	plan.Judge       guard.go     what a guard keeps back
//	apply            agent.go     intent, call, outcome, report
//
// Everything up to the guards is scratch: a plan that is not applied leaves no
// trace but a fresher mirror.
package agent
