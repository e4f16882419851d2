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
