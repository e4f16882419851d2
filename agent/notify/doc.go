// Package notify tells people and programs what became of a sync: by e-mail, or
// by a webhook in JSON or Slack form.
//
// The way of a message:
//
//	FromPlan, RunFailed, Staleness, CredentialExpiring     events: facts of a run
//	Dispatcher                                      who hears about which, what is new
//	Message                                         a digest of a run, or one object
//	Email, Webhook                                  the wire
//
// An event is told once for as long as its condition stands. What was told is
// kept in a Memory, which the agent's ledger implements; Recovered closes a
// condition, so that it is told again when it returns.
//
// It decides nothing about the sync itself, reads no source and no target, and
// knows no vendor and no SQL. A notification that cannot be sent never fails a
// run: Dispatch returns the error for the log.
//
// Names come from directories and may hold anything. They are cleaned when a
// Message is composed (no control characters, nothing that reorders text, bounded
// length), encoded when they become headers, and escaped for Slack, so that a
// group's name is never a header, a recipient, a line of its own or a mention.
package notify
