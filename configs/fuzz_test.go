package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzLoad asserts that any text is read within bounds, without a panic, and
// that every problem has a sensible place and one line.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/problems/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "example.yaml", "okta-to-collate.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{minimal, "a: &b\n  c: d", "a: |2\n\n   x", "? - ? -", "a: \"\\x\"", "{{{", "a: !!binary |\n x", "<<: [*a]", "&a", "!", "*", "..."} {
		f.Add([]byte(seed))
	}
	reg := registry()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 16<<10 {
			t.Skip("time bounds of large files are another test's")
		}
		// A loop without an end is a failure too, and no test would see it.
		watchdog := time.AfterFunc(10*time.Second, func() { panic(fmt.Sprintf("no end on %q", data)) })
		cfg, err := load("scimsync.yaml", data, reg)
		watchdog.Stop()
		if err == nil {
			if _, err := Show(cfg); err != nil {
				t.Errorf("show: %v", err)
			}
			return
		}
		problems, ok := errors.AsType[*Error](err)
		if !ok || len(problems.Problems) == 0 {
			t.Fatalf("not a list of problems: %v", err)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range problems.Problems {
			if p.Text == "" || p.Line < 0 || p.Column < 0 || p.Line > lines+1 {
				t.Errorf("odd problem %+v", p)
			}
			if s := p.String(); strings.ContainsAny(s, "\n\x1b") || !utf8.ValidString(s) {
				t.Errorf("problem is not one line: %q", s)
			}
		}
	})
}

// TestLargeFilesAreBounded reads files of the largest size that are made to
// cost time or stack.
func TestLargeFilesAreBounded(t *testing.T) {
	t.Parallel()
	fill := func(unit string) string { return strings.Repeat(unit, maxSize/len(unit)) }
	stairs := func() string {
		var b strings.Builder
		for i := 0; b.Len() < maxSize-2000 && i < 1400; i++ {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"open lists":    fill("["),
		"open mappings": fill("{a: "),
		"dashes":        fill("- "),
		"complex keys":  fill("? "),
		"colons":        fill("a: "),
		"quotes":        fill(`"\"" `),
		"one key":       fill("a: 1\n"),
		"list":          "a:\n" + fill("- b\n")[:maxSize-8],
		"stairs":        stairs(),
		"anchors":       fill("a: &b c\n"),
		"aliases":       fill("a: *b\n"),
		"tags":          fill("a: !b c\n"),
		"one line":      "a: " + fill("x")[:maxSize-8],
		"one comment":   "# " + fill("x")[:maxSize-8],
		"blanks":        fill(" "),
		"line breaks":   fill("\n"),
		"flow entries":  "a: {" + fill("b: c, ")[:maxSize-8],
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := load("scimsync.yaml", []byte(text), registry()); err == nil {
				t.Error("loaded")
			}
			if spent := time.Since(start); spent > 30*time.Second {
				t.Errorf("took %s", spent)
			}
		})
	}
}
