package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/identity"
)

func newSync(a *app) *cobra.Command {
	var out output
	var only []string
	var allow, ceiling int
	var full bool
	c := &cobra.Command{
		Use:   "sync [SYNC…]",
		Short: "Plan, guard and apply, once",
		Long: `sync reads the source and the target, plans, and applies the plan under the
guards of the configuration. What a guard holds back is shown with the number
that --allow-removals takes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := options(cmd, only, allow, ceiling)
			if err != nil {
				return err
			}
			o.Full = full
			return a.sync(cmd.Context(), args, out, o)
		},
	}
	out.register(c)
	c.Flags().StringArrayVar(&only, "only", nil, "only this `OBJECT`: user:VALUE or group:VALUE, by source id, name, externalId or target id")
	c.Flags().IntVar(&allow, "allow-removals", 0, "let through what the guards hold, if it is exactly `N`")
	c.Flags().IntVar(&ceiling, "max-changes", 0, "write nothing when the plan has more than `N` changes")
	c.Flags().BoolVar(&full, "full", false, "read the source and compare the target as a whole, whatever has changed")
	return c
}

func options(c *cobra.Command, only []string, allow, ceiling int) (agent.Options, error) {
	var o agent.Options
	if c.Flags().Changed("allow-removals") {
		if allow < 0 {
			return o, usage("--allow-removals takes a number of changes")
		}
		o.AllowRemovals = &allow
	}
	if c.Flags().Changed("max-changes") {
		if ceiling < 0 {
			return o, usage("--max-changes takes a number of changes")
		}
		o.MaxChanges = &ceiling
	}
	for _, text := range only {
		kind, value, ok := strings.Cut(text, ":")
		if !ok || value == "" || kind != string(identity.User) && kind != string(identity.Group) {
			return o, usage("--only takes user:VALUE or group:VALUE, not %q", text)
		}
		o.Only = append(o.Only, agent.Selector{Kind: identity.Kind(kind), Value: value})
	}
	return o, nil
}

func (a *app) sync(ctx context.Context, names []string, out output, o agent.Options) error {
	s, err := a.session(ctx, names)
	if err != nil {
		return err
	}
	defer s.close()
	of := reachWhole
	if len(o.Only) > 0 {
		of = reachOnly
	}
	var plans []*plan.Plan
	for _, sync := range s.syncs {
		cycle, err := s.prepare(ctx, sync, o)
		if err != nil {
			s.failed(sync, err)
			if s.code == exitInterrupted {
				break
			}
			// Whoever asks for one object is told by the command.
			if of == reachWhole {
				s.tell.failed(ctx, sync, err)
			}
			continue
		}
		plans = append(plans, cycle.Plan)
		err = s.apply(ctx, sync, cycle, out, of)
		if err != nil {
			s.failed(sync, err)
		}
		if s.code == exitInterrupted {
			break
		}
	}
	if of == reachWhole && s.code != exitInterrupted {
		s.tell.watch(ctx, s.conns, s.syncs)
	}
	return errors.Join(a.showAll(out, plans), code(s.code))
}

// apply carries one prepared cycle out, shows it, and tells whoever is to hear.
func (s *session) apply(ctx context.Context, sync *configs.Sync, cycle *agent.Cycle, out output, of reach) error {
	s.tell.begins(ctx, sync)
	result, failure := cycle.Apply(ctx, s.app.stop)
	s.app.endProgress(nil)
	s.ended(codeOfResult(result))
	s.unlock(cycle)
	if stopped := result.Report.Stopped; stopped != nil {
		s.app.say("%s: %s", cycle.Plan.Sync, s.app.explain(stopped))
	}
	shown := s.app.show(out, cycle.Plan)
	s.tell.ran(ctx, sync, cycle.Plan, result, failure, of)
	return errors.Join(failure, shown)
}
