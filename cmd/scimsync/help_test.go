package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelp demands of the help of every verb that it fits a terminal of 80
// columns and explains every flag.
func TestHelp(t *testing.T) {
	t.Parallel()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			t.Parallel()
			checkHelp(t, c)
		})
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(&app{streams: streams{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}}))
}

func checkHelp(t *testing.T, c *cobra.Command) {
	words := append(strings.Fields(c.CommandPath())[1:], "--help")
	var out, err bytes.Buffer
	code := run(words, streams{in: strings.NewReader(""), out: &out, err: &err})
	if code != exitDone || err.Len() > 0 {
		t.Fatal(ran{code, out.String(), err.String()})
	}
	help := out.String()
	for line := range strings.Lines(help) {
		if c.HasParent() && c.Parent().Name() == "completion" {
			break // written by cobra
		}
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if c.Short == "" || !strings.Contains(help, "Usage:") {
		t.Errorf("the help does not say what %s does\n%s", c.CommandPath(), help)
	}
	flags := func(f *pflag.Flag) {
		if !f.Hidden && !strings.Contains(help, "--"+f.Name) {
			t.Errorf("the help of %s does not mention --%s", c.CommandPath(), f.Name)
		}
		if f.Usage == "" {
			t.Errorf("--%s is not explained", f.Name)
		}
	}
	c.LocalFlags().VisitAll(flags)
	c.InheritedFlags().VisitAll(flags)
}
