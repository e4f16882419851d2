// Package oktatest is an Okta org for tests and the sandbox: the read side of
// the management API over real HTTP, as Okta documents it, over a World that is
// made of synthetic people.
//
// It is not a mock: it knows nothing of the client that talks to it, checks
// every credential, and answers what Okta answers, including its habits (the
// plain list of users leaves out DEPROVISIONED, links come as header lines of
// their own, a concurrent-limit 429 says Limit 0). What goes wrong on a bad day
// is scheduled with Inject.
//
// The world is changed through methods of Server, or with the same effect over
// HTTP below /sandbox/; both move lastUpdated and lastMembershipUpdated and
// write the System Log as Okta does.
//
// Only tests and cmd's sandbox may import it.
package oktatest
