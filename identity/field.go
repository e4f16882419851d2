package identity

// FieldType is the JSON type of a source field, as far as the source promises
// one.
type FieldType string

// The types a source may promise. Any promises nothing; Object has the fields
// listed below it and, when Open, others too.
const (
	Any     FieldType = "any"
	String  FieldType = "string"
	Bool    FieldType = "bool"
	Number  FieldType = "number"
	Strings FieldType = "strings" // a list of strings
	Object  FieldType = "object"
)

// Field describes one field of a source's records, by dotted path, so that an
// expression over it can be checked before anything is read.
type Field struct {
	Path string // "status", "profile", "profile.login"
	Type FieldType
	// Always says that the source never omits the field: a record without it
	// is unreadable rather than empty.
	Always bool
	// Open says that an Object may hold fields beyond those described.
	Open bool
}
