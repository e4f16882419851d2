package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	gotext "github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
)

func newCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check [SYNC…]",
		Short: "Try the configuration and every connection; say what will not work",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.check(cmd.Context(), args)
		},
	}
}

// checkTimeout bounds each side: a person waits for the answer.
const checkTimeout = 2 * time.Minute

func (a *app) check(ctx context.Context, names []string) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	syncs, err := selectSyncs(cfg, names)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "configuration  %s: valid, %d %s\n", cfg.Path, len(cfg.Syncs), plural(len(cfg.Syncs), "sync"))
	l, err := a.ledger(ctx, cfg)
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "state          %s: writable\n", cfg.State)
	result := exitDone
	ctx, over := a.interruptible(ctx)
	defer over()
	conns := a.connect(cfg)
	sources, targets := map[string]bool{}, map[string]bool{}
	for _, s := range syncs {
		if !sources[s.Source.Name] {
			sources[s.Source.Name] = true
			result = worst(result, a.report("source", s.Source.Name, a.checkSource(ctx, conns, s.Source)))
		}
		if !targets[s.Target.Name] {
			targets[s.Target.Name] = true
			result = worst(result, a.report("target", s.Target.Name, a.checkTarget(ctx, conns, s)))
		}
	}
	return code(result)
}

// finding is what check learned of one side.
type finding struct {
	identity string
	notes    []string
	err      error
}

// report prints a finding and returns its exit code.
func (a *app) report(side, name string, f finding) int {
	label := fmt.Sprintf("%-14s %s", side, name)
	if f.err != nil {
		outcome, result := "FAILED", exitFailed
		switch codeOf(f.err) {
		case exitUnauthorized:
			result = exitUnauthorized
		case exitInterrupted:
			outcome, result = "interrupted", exitInterrupted
		}
		fmt.Fprintf(a.out, "%s: %s\n", label, outcome)
		a.say("%s %s: %s", side, name, a.explain(f.err))
		return result
	}
	fmt.Fprintf(a.out, "%s: %s\n", label, f.identity)
	for _, n := range f.notes {
		const indent = 17
		for line := range strings.Lines(gotext.WrapSoft(n, a.style().Width-indent)) {
			fmt.Fprintf(a.out, "%*s%s\n", indent, "", strings.TrimSpace(line))
		}
	}
	return exitDone
}

func (a *app) checkSource(ctx context.Context, c *connections, s *configs.Source) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	source, err := c.source(s)
	if err != nil {
		return finding{err: err}
	}
	info, err := source.is.Info(ctx)
	if err != nil {
		return finding{err: err}
	}
	f := finding{identity: info.Identity, notes: info.Notes}
	if !info.Delta && info.DeltaReason != "" {
		f.notes = append(f.notes, "no delta reads: "+info.DeltaReason)
	}
	return f.ending(ctx, source.is)
}

// ending adds when the credential of a side ends.
func (f finding) ending(ctx context.Context, side any) finding {
	known, err := ask(ctx, func() (any, error) { return side, nil })
	if err != nil {
		f.notes = append(f.notes, "when the credential ends is not known: "+err.Error())
	} else if note := (credential{Credential: known}).note(time.Now()); note != "" {
		f.notes = append(f.notes, note)
	}
	return f
}

func (a *app) checkTarget(ctx context.Context, c *connections, s *configs.Sync) finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	target, err := c.target(s.Target)
	if err != nil {
		return finding{err: err}
	}
	session, err := target.is.Open(ctx)
	if err != nil {
		return finding{err: err}
	}
	p := session.Profile()
	f := finding{identity: fmt.Sprintf("%s, profile %s", s.Target.URL, p.Name), notes: abilities(p)}
	if s.Groups != nil && !p.Groups {
		f.notes = append(f.notes, "will not work: the target has no groups (set groups: off)")
	}
	if s.Groups != nil && p.ReplaceOnly && p.Members == connectors.MembersBlind && s.Groups.Members != configs.MembersOff {
		f.notes = append(f.notes, "will not work: without PATCH and without readable members, memberships cannot be written safely (set members: off)")
	}
	f.notes = append(f.notes, p.Notes...)
	return f.ending(ctx, target.is)
}

// abilities says in words what a target can do.
func abilities(p connectors.Profile) []string {
	kinds := "users"
	if p.Groups {
		kinds = "users and groups"
	}
	writes := "changes by PATCH"
	if p.ReplaceOnly {
		writes = "changes by PUT of the whole object"
	}
	out := []string{kinds + ", " + writes}
	if p.Members == connectors.MembersBlind {
		out = append(out, "does not show group members: memberships are remembered, not compared")
	}
	if !p.Active {
		out = append(out, "users cannot be deactivated")
	}
	switch p.Delete {
	case connectors.DeleteSuspends:
		out = append(out, "deleting a user suspends the account")
	case connectors.DeleteUnsupported:
		out = append(out, "users cannot be deleted")
	case connectors.DeleteRemoves:
	}
	if !p.Listable {
		out = append(out, "cannot be listed: objects are looked up one by one")
	}
	if p.Limits.RequestsPerSecond > 0 {
		out = append(out, fmt.Sprintf("known limit: %g requests a second", p.Limits.RequestsPerSecond))
	}
	return out
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
