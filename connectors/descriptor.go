package connectors

import (
	"fmt"

	"github.com/scimsync/scimsync/identity"
)

// SourceType describes one kind of source statically: what its settings look
// like, what its records hold, and how to open one.
type SourceType struct {
	Name    string // the value of type: in the configuration
	Summary string // one line for documentation and check
	// Settings returns a pointer to a new settings struct whose fields carry
	// yaml tags and, for the schema, jsonschema tags. It is decoded strictly;
	// a struct with a Validate method is then validated.
	Settings func() any
	// Fields describes the records of each kind; nil for a kind the source
	// does not have.
	Fields map[identity.Kind][]identity.Field
	// DefaultMap is the mapping a sync starts from, by SCIM path.
	DefaultMap map[identity.Kind]map[string]string
	// Open returns a source for validated settings. It does not connect.
	Open func(settings any, rt Runtime) (Source, error)
	// Hook is how the vendor calls POST /hooks/SYNC; zero where it sends a
	// bearer token and nothing else.
	Hook Hook
}

// TargetType describes one kind of target statically.
type TargetType struct {
	Name     string
	Summary  string
	Settings func() any
	// Open returns a target for validated settings. It does not connect.
	Open func(settings any, rt Runtime) (Target, error)
	// URL returns the address a ledger is bound to, without credentials.
	URL func(settings any) string
}

// Validator is implemented by settings that have rules beyond their types. It
// returns every mistake, not the first.
type Validator interface{ Validate() []SettingError }

// SettingError is one mistake in a settings struct.
type SettingError struct {
	// Key is the dotted path of the yaml key below the settings: "auth.bearer".
	Key string
	// Problem says what is wrong and how to mend it.
	Problem string
	// Unavailable marks a key that is valid but not available in this release.
	Unavailable bool
}

// Error returns KEY: PROBLEM.
func (e SettingError) Error() string { return fmt.Sprintf("%s: %s", e.Key, e.Problem) }
