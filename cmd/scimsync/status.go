package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	gotext "github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/schedule"
)

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [SYNC…]",
		Short: "Show how each sync stands",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.status(cmd.Context(), args)
		},
	}
}

func (a *app) status(ctx context.Context, names []string) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	syncs, err := selectSyncs(cfg, names)
	if err != nil {
		return err
	}
	l, err := ledger.OpenReadOnly(ctx, cfg.State)
	if errors.Is(err, ledger.ErrNoLedger) {
		fmt.Fprintf(a.out, "No sync has run yet (%s does not exist).\n", cfg.State)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it was only read
	agendas, err := l.Agendas(ctx)
	if err != nil {
		return err
	}
	known := credentials(ctx, a.connect(cfg), syncs)
	now := time.Now()
	for i, s := range syncs {
		stand, err := l.Standing(ctx, s.Name)
		if err != nil {
			return err
		}
		pause, paused, err := l.Paused(ctx, s.Name)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintln(a.out, s.Name)
		a.line("last run", lastRun(stand, agendas[s.Name], now))
		switch agenda := agendas[s.Name]; {
		case paused:
			a.line("paused", "since "+pause.Since.UTC().Format(minutes)+": "+pause.Why)
		case agenda.Quarantined(now):
			a.line("next run", fmt.Sprintf("in %s: in quarantine after %d failures", age(agenda.Until.Sub(now)), agenda.Failures))
		default:
			a.line("next run", nextRun(schedule.Next(s.Schedule, s.Missed, agenda, now), now))
		}
		a.line("owned", fmt.Sprintf("%d %s, %d %s", stand.Users, plural(stand.Users, "user"), stand.Groups, plural(stand.Groups, "group")))
		a.line("open", fmt.Sprintf("%d held, %d not in step", stand.Held, stand.Dirty))
		a.line("credential", ends(known, s, now))
	}
	return nil
}

// minutes is how a moment is written for people.
const minutes = "2006-01-02 15:04 UTC"

// line prints a value beside its label, within the width of the terminal.
func (a *app) line(label, value string) {
	const indent = 14
	text := gotext.WrapSoft(value, a.style().Width-indent)
	for i, part := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(a.out, "  %-*s%s\n", indent-2, label, strings.TrimRight(part, " "))
	}
}

// lastRun says when the last run began and how it ended: one that was applied is
// in the journal, one of the daemon that did not come so far in its memory.
func lastRun(stand ledger.Standing, agenda ledger.Agenda, now time.Time) string {
	r := stand.Last
	if agenda.Result != "" && (r == nil || agenda.LastStart.After(r.Started)) && agenda.LastEnd.After(agenda.LastStart) {
		text := age(now.Sub(agenda.LastStart)) + " ago: " + agenda.Result
		if agenda.Why != "" {
			text += ": " + agenda.Why
		}
		return text
	}
	if r == nil {
		return "never"
	}
	result := r.Result
	if result == "" {
		result = "running or cut off"
	}
	return age(now.Sub(r.Started)) + " ago: " + result
}

// nextRun says when the daemon runs the sync next.
func nextRun(next, now time.Time) string {
	switch {
	case next.IsZero():
		return "by command or hook only"
	case next.After(now):
		return "in " + age(next.Sub(now))
	}
	return "due, when the daemon runs"
}

// age writes a duration in the largest unit that fits.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
