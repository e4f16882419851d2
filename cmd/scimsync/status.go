package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	gotext "github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/agent/ledger"
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
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.Options{SeparateHeader: true}
	t.Style().Format.Header = gotext.FormatDefault
	t.AppendHeader(table.Row{"Sync", "Last run", "Result", "Owned", "Held", "Not in step"})
	for _, s := range syncs {
		stand, err := l.Standing(ctx, s.Name)
		if err != nil {
			return err
		}
		last, result := "never", "-"
		if r := stand.Last; r != nil {
			last, result = age(time.Since(r.Started))+" ago", r.Result
			if result == "" {
				result = "running or cut off"
			}
		}
		t.AppendRow(table.Row{
			s.Name, last, result, fmt.Sprintf("%d %s, %d %s", stand.Users, plural(stand.Users, "user"), stand.Groups, plural(stand.Groups, "group")), stand.Held, stand.Dirty,
		})
	}
	t.Render()
	return nil
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
