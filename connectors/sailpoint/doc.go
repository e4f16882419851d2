// Package sailpoint reads users, groups and memberships of one source of a
// SailPoint Identity Security Cloud tenant: its entitlements of one type are the
// groups, its accounts are the users. Where the settings ask for it, its enabled
// access profiles are groups too.
//
// It is not a place for pacing, retries or status codes (those belong to the
// transport below it), nor for reshaping attributes (package mapping does that).
// It does not read identities or roles. SailPoint offers no SDK
// that is used here: paths, paging and decoding are this package's own.
//
// # What is read
//
// Entitlements of the source and type, then its accounts, each list sorted by id
// and read by offset to the empty page. A list read by offset is no snapshot: a
// row that goes away moves the rows behind it forward, over the border of a page.
// So each page begins with the last row of the one before, which proves that
// nothing has moved, and the number of rows, with those that stand twice in it, is
// compared with X-Total-Count at both ends. Where that does not fit, the list is
// read once more, and then the read is incomplete. A list that goes on far beyond
// its total is given up.
//
// A membership is an account whose attribute of the entitlement's name holds the
// entitlement's value. Distinguished names are compared by their parts (RFC 4514),
// whatever the case and blanks. An account is a member of an access profile when it
// holds every one of its entitlements.
//
// Accounts that belong to no identity, and those of systems and machines, are
// left out: they are no people.
//
// Vendor documentation: https://developer.sailpoint.com/docs/api/v2025/
package sailpoint
