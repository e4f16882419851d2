// Package sailpointtest is a SailPoint Identity Security Cloud tenant for tests
// and the sandbox: the token endpoint and the part of the API that reads sources,
// entitlements and accounts and starts an aggregation, over real HTTP, as
// SailPoint documents it, over a World that is made of synthetic people.
//
// It is not a mock: it knows nothing of the client that talks to it, checks every
// credential, and answers what SailPoint answers, including its habits (a limit of
// 251 is refused, a filter or sorter that is not listed too, X-Total-Count comes
// only when asked for, an API client without a user may not ask how an aggregation
// is getting on). Every version of the API is served, /v2025/accounts and
// /accounts/v1 alike. What goes wrong on a bad day is scheduled with Inject.
//
// The world is changed through methods of Server, or with the same effect over
// HTTP below /sandbox/; a list that is read meanwhile moves, as the real one does.
//
// Only tests and cmd's sandbox may import it.
package sailpointtest
