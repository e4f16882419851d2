// Package identity holds the nouns that every other room shares: a reference to
// a source object, the record a source read, the entry a target should hold or
// holds, and the change that leads from one to the other.
//
// It is not a place for verbs: nothing here talks to a network, a file or a
// clock, decides whether something changes, or knows a vendor. It imports the
// standard library only.
//
// Attributes have one alphabet everywhere, the SCIM path (RFC 7644, section
// 3.10), such as
//
//	userName
//	name.givenName
//	emails[type eq "work"].value
//	urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department
//
// in mappings, differences, PATCH operations, plans, logs and goldens alike.
package identity
