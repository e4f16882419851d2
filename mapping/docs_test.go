package mapping_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/identity"
	"github.com/scimsync/scimsync/mapping"
)

const resultPath = "urn:example:User:result"

// exampleFields describe the record of docs/expressions.md.
func exampleFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "status", Type: identity.String, Always: true},
		{Path: "level", Type: identity.Number},
		{Path: "tags", Type: identity.Strings},
		{Path: "manager", Type: identity.Object, Open: true},
		{Path: "profile", Type: identity.Object, Always: true, Open: true},
	}
}

// TestExamplesOfThePage runs every example of docs/expressions.md, and sees to
// it that every function named like Entra's has one.
func TestExamplesOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "expressions.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```json\n")
	if !ok {
		t.Fatal("the page has no record")
	}
	block, _, _ := strings.Cut(rest, "```")
	rec := identity.Record{Ref: identity.Ref{Kind: identity.User, ID: "00u1"}}
	if err := json.Unmarshal([]byte(block), &rec.Fields); err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\|.* `(.+?)` \\| `([^`]+)` \\|$")
	examples := row.FindAllStringSubmatch(string(page), -1)
	if len(examples) < 50 {
		t.Fatalf("only %d examples were found on the page", len(examples))
	}
	shown := ""
	for _, example := range examples {
		source, want := example[1], example[2]
		shown += source + "\n"
		if got := evaluate(t, source, rec); got != want {
			t.Errorf("%s gives %s, the page says %s", source, got, want)
		}
	}
	for name := range strings.FieldsSeq(`Join Append Replace Switch IIF Coalesce Split Item Left Mid InStr Word ToLower ToUpper PCase StripSpaces
		NormalizeDiacritics RemoveDuplicates IsPresent IsNullOrEmpty FormatDateTime DateAdd DateDiff`) {
		if !strings.Contains(shown, name+"(") {
			t.Errorf("%s has no example", name)
		}
	}
}

// evaluate returns what an attribute receives, in JSON, or the error.
func evaluate(t testing.TB, source string, rec identity.Record) string {
	t.Helper()
	m, err := mapping.Compile(
		mapping.Config{Kind: identity.User, Rules: []mapping.Rule{value(resultPath, source)}},
		exampleFields(), map[string]string{"userName": "id"})
	if err != nil {
		return "error: " + err.Error()
	}
	mapped, err := m.Map(rec)
	if err != nil {
		return "error: " + err.Error()
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(mapped.Entry.Attrs[resultPath]); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}
