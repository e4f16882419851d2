package configs

import _ "embed"

//go:embed example.yaml
var example string

// Example returns a commented configuration with every key. It loads as it is;
// keys that come in a later release are commented out and say so.
func Example() []byte { return []byte(example) }
