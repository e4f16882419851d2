package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/connectors"
)

// TestExplainIncomplete: what to do after exit 13 follows from the cause, not
// from the class of the read that it ended.
func TestExplainIncomplete(t *testing.T) {
	t.Parallel()
	const vain, later, over = "Running again will not help", "when the other side answers", "put right or over"
	within := func(cause error) error { return &connectors.Error{Class: connectors.Incomplete, Err: cause} }
	for name, c := range map[string]struct {
		err error
		say string
	}{
		"a name nobody has":            {within(connectors.Errorf(connectors.Rejected, "no such source")), vain},
		"an application nobody has":    {within(connectors.Errorf(connectors.Rejected, "none: %w", connectors.Errorf(connectors.Missing, "404"))), vain},
		"a refusal":                    {within(connectors.Errorf(connectors.Forbidden, "Insufficient privileges (403)")), vain},
		"a refusal itself":             {connectors.Errorf(connectors.Forbidden, "Insufficient privileges (403)"), vain},
		"a refusal with words between": {within(fmt.Errorf("list users: %w", connectors.Errorf(connectors.Forbidden, "403"))), vain},
		"a class over none":            {connectors.Errorf(connectors.Rejected, "bad: %w", connectors.Errorf(connectors.Unclassified, "x")), vain},
		"an outage":                    {within(connectors.Errorf(connectors.Transient, "503")), later},
		"throttling":                   {within(connectors.Errorf(connectors.Throttled, "429")), later},
		"a list that moves":            {connectors.Errorf(connectors.Incomplete, "rows moved"), over},
		"no class":                     {errors.New("the disk is gone"), over},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := &agent.IncompleteError{What: "read source hr", Err: c.err}
			text := (&app{}).explain(err)
			message, hint, _ := strings.Cut(text, "\n")
			if codeOf(err) != exitIncomplete || message != err.Error() || !strings.Contains(hint, c.say) || strings.Contains(hint, "\n") {
				t.Errorf("exit %d, want %d and the hint %q:\n%s", codeOf(err), exitIncomplete, c.say, text)
			}
		})
	}
}

// TestExplainBoth: where neither side could be read, a person hears of both, with
// one remedy where that is the same, and the exit code is the more severe of both.
func TestExplainBoth(t *testing.T) {
	t.Parallel()
	refused := func(what string) error {
		return fmt.Errorf("%s: %w", what, connectors.Errorf(connectors.Unauthorized, "401"))
	}
	down := func(what string) error {
		return &agent.IncompleteError{What: what, Err: connectors.Errorf(connectors.Transient, "503")}
	}
	for name, c := range map[string]struct {
		target, source error
		code           int
		remedies       []string // how the lines after the reasons begin
	}{
		"both refuse":        {refused("target"), refused("source"), exitUnauthorized, []string{"The credential was not accepted"}},
		"both are down":      {down("target"), down("source"), exitIncomplete, []string{"Run again when"}},
		"the source refuses": {down("target"), refused("source"), exitUnauthorized, []string{"Target: Run again when", "Source: The credential was not"}},
		"the target refuses": {refused("target"), down("source"), exitUnauthorized, []string{"Target: The credential was not", "Source: Run again when"}},
		"one has no remedy":  {refused("target"), errors.New("the disk is gone"), exitUnauthorized, []string{"Target: The credential was not"}},
		"neither has one":    {errors.New("one"), errors.New("another"), exitFailed, nil},
		"the other has none": {errors.New("a bug"), down("source"), exitIncomplete, []string{"Source: Run again when"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := errors.Join(&agent.BothError{Target: c.target, Source: c.source}, nil)
			lines := strings.Split((&app{}).explain(both), "\n")
			if codeOf(both) != c.code || len(lines) != 2+len(c.remedies) || lines[0] != c.target.Error() || lines[1] != c.source.Error() {
				t.Fatalf("exit %d, want %d, two reasons and %q:\n%s", codeOf(both), c.code, c.remedies, strings.Join(lines, "\n"))
			}
			for i, want := range c.remedies {
				if !strings.HasPrefix(lines[2+i], want) {
					t.Errorf("want %q:\n%s", want, strings.Join(lines, "\n"))
				}
			}
		})
	}
}
