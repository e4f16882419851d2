package configs

import _ "embed"

//go:embed example.yaml
var example string

// Example returns a commented configuration with every key. It loads as it is;
// alternatives are commented out.
func Example() []byte { return []byte(example) }
