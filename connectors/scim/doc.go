// Package scim is the SCIM 2.0 target: it reads and writes users and groups of
// any application that speaks RFC 7643 and RFC 7644, and of those that nearly
// do.
//
// Three things decide what goes over the wire, the later one winning: what
// discovery says (advice: it is often absent or wrong), the profile (what is
// known about a product, data in profiles/*.yaml), and what the session sees
// while it works (a PATCH that is not implemented, members that are never
// shown). The dialect decides the shape of requests: which identity provider
// the target was told to expect.
//
// A 2xx is a claim here. Every answer of a filter is checked again, a write is
// compared with the answer it got, and a listing that cannot be proved whole
// ends in class Incomplete.
//
// It is not a place for mapping, for deciding what changes, or for retries: the
// first two belong to the agent, the last to internal/rest. It follows no link
// a server sends (meta.location, $ref): every URL is made of the configured
// base and an escaped id.
package scim
