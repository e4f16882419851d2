// Package okta reads users, groups and memberships of an Okta organization
// through its management API, v1.
//
// It is not a place for pacing, retries or status codes (those belong to the
// transport below it), nor for reshaping attributes (package mapping does that).
// Okta's SDK for Go builds and sends each request; paging and decoding are done
// here, because the SDK's paging follows a joined Link header in circles and its
// typed models cannot tell one bad record from a bad page.
//
// # What is read in full
//
// Users are listed twice: Okta's plain list leaves out DEPROVISIONED users, so
// those are asked for with a filter afterwards. The filter is used rather than
// search because Okta answers search from an index that lags behind. A user who
// changes status between the two may come twice; the later record counts. The
// first page of groups is fetched beside the second of the two lists, and waits
// until all users have been told.
//
// Groups carry lastMembershipUpdated. A group that has not moved since its
// members were last read completely is answered "unchanged", without a request.
//
// With an app in the settings, only the users and groups assigned to it are
// read; everybody else exists but is unassigned.
//
// # What is read of changes
//
// A delta read joins what Okta can list by time (users, groups) with what only
// the System Log tells (deletions, assignments). See reading.delta for how, cursor
// for how far back it goes, and openCursor, poll, named and appDelta for when it
// answers class Expired because a full read is needed, or cheaper.
//
// Vendor documentation: https://developer.okta.com/docs/api/openapi/okta-management/management/
package okta
