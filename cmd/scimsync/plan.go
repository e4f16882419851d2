package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/plan"
)

func newPlan(a *app) *cobra.Command {
	var out output
	var file string
	var exitCode, full bool
	c := &cobra.Command{
		Use:   "plan [SYNC…]",
		Short: "Show what would change, and why",
		Long: `plan reads the source and the target and shows what sync would do. Nothing is
written to the target. A plan saved with --out can be applied later with
"scimsync apply FILE", exactly as it was shown.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.plan(cmd.Context(), args, out, planOptions{file: file, exitCode: exitCode, full: full})
		},
	}
	out.register(c)
	c.Flags().StringVar(&file, "out", "", "save the plan to `FILE`")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit 5 when there are changes, 20 when a guard holds some")
	c.Flags().BoolVar(&full, "full", false, "read the source and compare the target as a whole, whatever has changed")
	return c
}

// planOptions are the flags of plan.
type planOptions struct {
	file     string
	exitCode bool
	full     bool
}

func (a *app) plan(ctx context.Context, names []string, out output, o planOptions) error {
	s, err := a.session(ctx, names)
	if err != nil {
		return err
	}
	defer s.close()
	var plans []*plan.Plan
	for _, sync := range s.syncs {
		cycle, err := s.prepare(ctx, sync, agent.Options{Full: o.full, Eager: true})
		if err != nil {
			s.failed(sync, err)
			if s.code == exitInterrupted {
				break
			}
			continue
		}
		s.unlock(cycle)
		plans = append(plans, cycle.Plan)
		s.ended(planCode(cycle, o.exitCode))
		if err := a.show(out, cycle.Plan); err != nil {
			return err
		}
	}
	switch {
	case o.file == "":
	case len(plans) < len(s.syncs):
		a.say("scimsync: %s was not written: not every sync could be planned", o.file)
	default:
		if err := save(o.file, plans); err != nil {
			return err
		}
		a.say("Saved to %s. Apply it with: scimsync apply %s", o.file, o.file)
	}
	return errors.Join(a.showAll(out, plans), code(s.code))
}

// planCode is the exit code of one plan: what could not be decided is always
// said; changes and guards only where --exit-code asks for them.
func planCode(c *agent.Cycle, asked bool) int {
	verdict := c.Verdict()
	result := exitDone
	if verdict.Partial() {
		result = exitPartial
	}
	if !asked {
		return result
	}
	if c.Plan.Summary.Changes() > 0 {
		result = worst(result, exitChanges)
	}
	if verdict.Refused {
		result = worst(result, exitHeld)
	}
	return result
}

// save writes plans to a file that appears whole or not at all. It holds names
// and attributes of people: nobody else may read it.
func save(file string, plans []*plan.Plan) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".plan-*")
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // after the rename it is gone
	if err := errors.Join(plan.Write(io.Writer(temp), plans...), temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("save the plan to %s: %w", file, err)
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}
