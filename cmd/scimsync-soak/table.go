package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table prints what was seen, one column for each source.
func table(w io.Writer, seen []*evidence) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(title string, figure func(*evidence) string) {
		fmt.Fprint(t, title)
		for _, e := range seen {
			fmt.Fprint(t, "\t", figure(e))
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintln(w)
	row("", func(e *evidence) string { return e.name })
	row("time", func(e *evidence) string { return e.ended.Sub(e.began).Round(time.Second).String() })
	row("changes at the source", func(e *evidence) string { return fmt.Sprint(e.changes) })
	row("hooks accepted", func(e *evidence) string { return fmt.Sprint(len(e.hooks)) })
	row("restarts", (*evidence).restarts)
	row("runs", func(e *evidence) string { return fmt.Sprint(len(e.runs)) })
	row("  by what started them", (*evidence).triggers)
	row("  longest", func(e *evidence) string { return e.longest().Round(time.Millisecond).String() })
	for _, f := range figures() {
		row(f.name+", first to last third", func(e *evidence) string {
			g, measured := e.longestLife().growth(f)
			if !measured {
				return "too short to judge"
			}
			return fmt.Sprintf("%d to %d%s", g.first/f.unit, g.last/f.unit, f.unitName)
		})
	}
	row("people active, both sides", func(e *evidence) string { return fmt.Sprintf("%d, %d", e.source, e.application) })
	row("plan at the end", func(e *evidence) string {
		if e.secondPlan == 0 {
			return "empty"
		}
		return fmt.Sprintf("exit %d", e.secondPlan)
	})
	_ = t.Flush() // the writer below keeps its errors to itself
}

func (e *evidence) restarts() string {
	clean, kills := 0, 0
	for _, l := range e.lives[:max(0, len(e.lives)-1)] {
		if l.ending == killed {
			kills++
		} else {
			clean++
		}
	}
	return fmt.Sprintf("%d stopped, %d killed", clean, kills)
}

func (e *evidence) triggers() string {
	counts := map[string]int{}
	for _, l := range e.lives {
		for _, s := range l.starts {
			counts[s.trigger]++
		}
	}
	var parts []string
	for trigger, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, trigger))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
