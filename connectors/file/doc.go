// Package file reads a directory from two JSON Lines files: users.jsonl and
// groups.jsonl in one folder. It is the reference implementation of
// connectors.Source, and the way to backfill a target from an export.
//
// It is not a format converter: an export in another form is turned into these
// lines before. It watches nothing and writes nothing.
//
// # Format
//
// UTF-8, one JSON object a line, blank lines ignored. A line may hold 1 MiB, in
// groups.jsonl 16 MiB. A user:
//
//	{"id":"u1","userName":"ada@example.com","active":true,"givenName":"Ada","familyName":"Archer"}
//
// id, userName (strings) and active (true or false) are needed. displayName,
// email, title, department, employeeNumber and managerId are strings, known to
// mappings too; anything else goes in the object attributes, for expressions
// such as attributes.costCenter. A group:
//
//	{"id":"g1","name":"Data","description":"…","members":["u1",{"group":"g2"}]}
//
// id and name are needed. A member is the id of a user, or an object with the id
// of a group. Without the key members the membership is unknown, which is not
// the same as an empty list.
//
// # What is wrong with a file
//
// A line that is not what it should be makes its object unreadable, which
// shields it; where the id cannot be told, it shields its kind. The second line
// with one id makes that object unreadable. A file that is missing, that ends
// within a line, that changes while it is read, or that has more than 10,000 lines
// with the id of another, ends the read in an error of class Incomplete: an export
// that was cut short must not look like a smaller directory. An empty file is a
// directory without people, and guards judge it.
package file
