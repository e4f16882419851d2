package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/scimsync/scimsync"

// arrow says what the packages of one room may import.
type arrow struct {
	// room is a pattern of path.Match over the package's path in the module.
	room string
	// ours are patterns of the packages of this module it may import.
	ours []string
	// never are other packages it may not import; "*" are those of all other
	// modules.
	never []string
}

// rooms is the picture of the house (docs/adr and CONTRIBUTING.md tell it in
// words). The first room that fits counts, and a package without a room fails
// the test: whoever adds one says here where it stands.
func rooms() []arrow {
	const others = "*" // packages of other modules
	fake := func(room string, ours ...string) arrow {
		return arrow{room: room, ours: ours, never: []string{"database/sql"}}
	}
	return []arrow{
		{room: "identity", never: []string{others, "net/http", "log/slog", "os", "context"}},
		{room: "mapping", ours: []string{"identity"}, never: []string{"net/http", "log/slog", "os", "context"}},
		{room: "connectors", ours: []string{"identity"}, never: []string{others}},
		fake("connectors/connectortest", "identity", "connectors"),
		fake("connectors/internal/faulttest"),
		{room: "connectors/internal/*", ours: []string{"identity", "connectors"}},
		{room: "connectors/all", ours: []string{"connectors", "connectors/*"}},
		fake("connectors/*/*test", "identity", "connectors/internal/faulttest"),
		{room: "connectors/*/internal/*", ours: []string{"identity", "connectors", "connectors/internal/rest"}, never: []string{"database/sql"}},
		{
			room: "connectors/*", never: []string{"database/sql"},
			ours: []string{"identity", "connectors", "connectors/internal/rest", "connectors/internal/inorder"},
		},
		{
			room: "agent/plan", ours: []string{"identity"},
			never: []string{others, "context", "time", "log", "log/slog", "net", "net/http", "os"},
		},
		{room: "agent/ledger", ours: []string{"identity", "agent/plan"}, never: []string{"net/http"}},
		{
			room: "agent/apply", ours: []string{"identity", "connectors", "agent/plan", "agent/ledger"},
			never: []string{"net/http", "database/sql"},
		},
		{
			room: "agent/render", ours: []string{"identity", "agent", "agent/plan", "agent/apply", "agent/ledger"},
			never: []string{"net/http", "database/sql"},
		},
		{room: "agent/notify", ours: []string{"identity", "connectors", "agent/plan"}, never: []string{"database/sql"}},
		{room: "agent/serve", ours: []string{"connectors"}, never: []string{"database/sql", "os"}},
		{
			room: "agent/schedule", ours: []string{"agent", "agent/plan", "agent/ledger", "configs", "identity"},
			never: []string{"database/sql"},
		},
		{
			room: "agent", never: []string{"net/http", "database/sql"},
			ours: []string{
				"identity", "mapping", "connectors", "configs",
				"agent/plan", "agent/ledger", "agent/apply", "agent/notify",
			},
		},
		{room: "configs", ours: []string{"identity", "mapping", "connectors"}, never: []string{"net/http", "database/sql"}},
		{room: "cmd/scimsync-bench", ours: []string{"connectors/*/*test"}, never: []string{"database/sql"}},
		{room: "cmd/scimsync-soak", ours: []string{"agent/ledger"}, never: []string{"database/sql"}},
		{
			room: "cmd/scimsync", never: []string{"database/sql"},
			ours: []string{
				"identity", "connectors", "connectors/all", "configs", "agent", "agent/*",
				"connectors/*/*test", // the sandbox's files alone; see TestSandboxOnly
			},
		},
	}
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
}

// faults returns what is wrong with the imports of a package, in words.
func faults(p pkg) []string {
	here, ok := strings.CutPrefix(p.ImportPath, module+"/")
	if !ok {
		return []string{p.ImportPath + " is not below the module"}
	}
	i := slices.IndexFunc(rooms(), func(a arrow) bool { return matches(a.room, here) })
	if i < 0 {
		return []string{here + " has no room: give it one in arrows_test.go, or put its code into one there is"}
	}
	room := rooms()[i]
	var out []string
	for _, imported := range p.Imports {
		ours, inside := strings.CutPrefix(imported, module+"/")
		switch {
		case inside && strings.HasPrefix(ours, here+"/internal/"): // a part of its own
		case inside && !slices.ContainsFunc(room.ours, func(pattern string) bool { return matches(pattern, ours) }):
			out = append(out, fmt.Sprintf("%s may not import %s", here, ours))
		case inside:
		case slices.Contains(room.never, imported), !standard(imported) && slices.Contains(room.never, "*"):
			out = append(out, fmt.Sprintf("%s may not import %s", here, imported))
		}
	}
	return out
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// standard reports whether a package is of the standard library: its path
// begins with a name without a dot, and it is not this module's.
func standard(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".")
}

// list runs go list at the root of the module.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-buildvcs=false"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, e.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// importsOf returns what one file of this package imports.
func importsOf(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, spec := range parsed.Imports {
		out = append(out, strings.Trim(spec.Path.Value, `"`))
	}
	return out
}

func TestArrows(t *testing.T) {
	t.Parallel()
	pkgs := list(t, "-json=ImportPath,Imports", "./...")
	if len(pkgs) < 15 {
		t.Fatalf("go list shows %d packages, so the arrows cannot be judged", len(pkgs))
	}
	for _, p := range pkgs {
		for _, fault := range faults(p) {
			t.Error(fault)
		}
	}
}

// TestSandboxOnly holds the fake servers to the files of the sandbox.
func TestSandboxOnly(t *testing.T) {
	t.Parallel()
	files := list(t, "-json=GoFiles", "./cmd/scimsync")[0].GoFiles
	seen := false
	for _, file := range files {
		fakes := slices.DeleteFunc(importsOf(t, file), func(name string) bool {
			return !strings.HasPrefix(name, module) || !strings.HasSuffix(name, "test")
		})
		if strings.HasPrefix(file, "sandbox") {
			seen = seen || len(fakes) > 0
			continue
		}
		for _, name := range fakes {
			t.Errorf("%s imports %s: fake servers are for the sandbox and tests", file, name)
		}
	}
	if !seen {
		t.Error("no file of the sandbox imports a fake server, so this test looks in the wrong place")
	}
}

// TestArrowsCanFail plants a fault of each sort.
func TestArrowsCanFail(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ from, imports string }{
		{"identity", "github.com/google/go-cmp/cmp"},
		{"identity", module + "/connectors"},
		{"connectors", module + "/mapping"},
		{"connectors", "golang.org/x/oauth2"},
		{"connectors/okta", module + "/connectors/scim"},
		{"connectors/okta", module + "/mapping"},
		{"connectors/okta", module + "/connectors/entra/internal/graph"},
		{"connectors/scim", module + "/agent"},
		{"connectors/scim", module + "/connectors/scim/scimtest"},
		{"connectors/entra", module + "/connectors/internal/faulttest"},
		{"connectors/internal/faulttest", module + "/identity"},
		{"agent/plan", "time"},
		{"agent/plan", "context"},
		{"agent/plan", "log/slog"},
		{"agent/plan", "net/http"},
		{"agent", module + "/connectors/okta"},
		{"agent", module + "/connectors/internal/rest"},
		{"agent/ledger", module + "/connectors"},
		{"agent/apply", "database/sql"},
		{"agent/serve", module + "/connectors/okta"},
		{"agent/serve", module + "/agent/ledger"},
		{"configs", module + "/connectors/all"},
		{"cmd/scimsync", module + "/connectors/okta"},
		{"util", "fmt"},
	} {
		p := pkg{ImportPath: module + "/" + test.from, Imports: []string{"fmt", test.imports}}
		if got := faults(p); len(got) != 1 {
			t.Errorf("%s importing %s: %d faults %q, want 1", test.from, test.imports, len(got), got)
		}
	}
}
