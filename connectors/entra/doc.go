// Package entra reads users, groups and memberships of a Microsoft Entra ID
// tenant through Microsoft Graph v1.0.
//
// It is not a place for pacing, retries or status codes (those belong to the
// transport below it), nor for reshaping attributes (package mapping does that).
// Microsoft's SDK builds and sends each request, in internal/graph; paging and
// decoding are done here.
//
// # What is read
//
// Users and groups come from delta queries, the first read included: each ends in
// a link from which the next read is told what changed. The cursor holds both
// links. Members of a group come with the groups, spread over pages in any order
// and told more than once; they are links until the round is over, and only then
// is the group closed. A round that does not end in a deltaLink proves nothing.
//
// Records from a first round are whole. Later rounds tell at least what changed,
// so that those records are partial; null clears.
//
// With an enterprise application in the settings, only what is assigned to it is
// read, as Entra's own provisioning does: users, groups, and the direct members
// of those groups. Everybody else exists but is unassigned. The cursor then also
// remembers the assignments, for Graph tells what is assigned, not what was.
//
// Vendor documentation: https://learn.microsoft.com/graph/delta-query-overview
package entra
