package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/configs"
)

func newApply(a *app) *cobra.Command {
	var out output
	c := &cobra.Command{
		Use:   "apply FILE",
		Short: "Apply a saved plan, exactly as it was shown",
		Long: `apply carries out a plan that "scimsync plan --out FILE" saved, under today's
guards. It refuses the plan when the configuration or the target has changed
since, and each change whose object is no longer as the plan saw it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.applySaved(cmd.Context(), args[0], out)
		},
	}
	out.register(c)
	return c
}

func (a *app) applySaved(ctx context.Context, file string, out output) error {
	saved, err := readPlans(file)
	if err != nil {
		return err
	}
	s, err := a.session(ctx, nil)
	if err != nil {
		return err
	}
	defer s.close()
	byName := map[string]*configs.Sync{}
	for _, sync := range s.syncs {
		byName[sync.Name] = sync
	}
	var plans []*plan.Plan
	for _, p := range saved {
		sync, ok := byName[p.Sync]
		if !ok {
			a.say("scimsync: %s holds a plan for sync %s, which %s does not have", file, p.Sync, s.cfg.Path)
			s.ended(exitStale)
			continue
		}
		opened, err := s.conns.open(sync, s.ledger)
		if err != nil {
			s.failed(sync, err)
			continue
		}
		var cycle *agent.Cycle
		preparing, prepared := a.interruptible(ctx)
		cycle, err = opened.PrepareSaved(preparing, p)
		prepared()
		a.endProgress(opened)
		if err != nil {
			s.failed(sync, err)
			if s.code == exitInterrupted {
				break
			}
			continue
		}
		s.cycles = append(s.cycles, cycle)
		plans = append(plans, cycle.Plan)
		if err := s.apply(ctx, sync, cycle, out, reachSaved); err != nil {
			s.failed(sync, err)
		}
	}
	return errors.Join(a.showAll(out, plans), code(s.code))
}

func readPlans(name string) ([]*plan.Plan, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	plans, err := plan.Read(file)
	if err != nil {
		return nil, &codeError{exitStale, fmt.Errorf("%s: %w", name, err)}
	}
	return plans, nil
}
