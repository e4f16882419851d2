package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	gotext "github.com/jedib0t/go-pretty/v6/text"
)

// form is how a table is written.
type form int

const (
	text form = iota
	markdown
)

// tableOf returns the results of one world.
func tableOf(o *options, w world, results []result, f form) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = gotext.FormatDefault
	t.SuppressEmptyColumns()
	t.AppendHeader(table.Row{
		"Phase", "Wall", "Critical", "×", "Bare", "×",
		"Source req. (least)", "Target req. (least)", "Writes", "Commits a write", "429", "Limit used", "Peak RSS",
	})
	for _, r := range results {
		if r.world != w {
			continue
		}
		s := r.sample
		row := table.Row{r.phase, seconds(r.wall), seconds(s.critical), ratio(r.wall, s.critical), "", ""}
		if s.floor > 0 {
			row[4], row[5] = seconds(s.floor), ratio(r.wall, s.floor)
		}
		row = append(
			row,
			fmt.Sprintf("%d (%d)", s.Source.total(), r.source), fmt.Sprintf("%d (%d)", s.Target.total(), r.target),
			writes(s.Target), perWrite(s), o.refused(s), o.limitUsed(r), fmt.Sprintf("%.0f MiB", float64(r.rss)/(1<<20)),
		)
		t.AppendRow(row)
	}
	if f == markdown {
		return t.RenderMarkdown() + "\n"
	}
	return fmt.Sprintf("from %s: %s, %s an answer\n%s\n", o.from.name, w, o.latency, t.Render())
}

// byKind says for each phase what was asked how often.
func byKind(w world, results []result) string {
	var b strings.Builder
	b.WriteString("\nRequests by kind:\n\n")
	for _, r := range results {
		if r.world != w {
			continue
		}
		var kinds []string
		for _, side := range []tally{r.sample.Source, r.sample.Target} {
			for _, kind := range slices.Sorted(maps.Keys(side.Requests)) {
				kinds = append(kinds, fmt.Sprintf("`%s` %d", strings.TrimSuffix(kind, "/{$}"), side.Requests[kind]))
			}
		}
		fmt.Fprintf(&b, "- %s: %s\n", r.phase, strings.Join(kinds, ", "))
	}
	return b.String()
}

// refused returns the part of the target's answers that said "slow down".
func (o *options) refused(s sample) string {
	if o.rate == 0 || s.Target.total() == 0 {
		return ""
	}
	return percent(float64(s.Target.Statuses[http.StatusTooManyRequests]) / float64(s.Target.total()))
}

// perWrite returns how often the disk was waited for, for each write.
func perWrite(s sample) string {
	if n := writes(s.Target); n >= 10 {
		return fmt.Sprintf("%.3f", float64(s.commits)/float64(n))
	}
	return ""
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func percent(f float64) string { return fmt.Sprintf("%.1f%%", 100*f) }

func ratio(a, b time.Duration) string {
	if b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", a.Seconds()/b.Seconds())
}

// command is how the figures come about again.
func (o *options) command() string {
	var sizes []string
	for _, w := range o.worlds {
		sizes = append(sizes, fmt.Sprint(w.users))
	}
	text := fmt.Sprintf("make bench USERS=%s LATENCY=%s RATE=%g RUNS=%d", strings.Join(sizes, ","), o.latency, o.rate, o.runs)
	var more []string
	if o.from.name != "okta" {
		more = append(more, "-from "+o.from.name)
	}
	if o.rate > 0 && o.told != byConfiguration {
		more = append(more, "-told "+string(o.told))
	}
	if len(more) > 0 {
		text += fmt.Sprintf(" BENCHFLAGS='%s'", strings.Join(more, " "))
	}
	return text
}

func (o *options) writeMarkdown(results []result) error {
	if o.markdown == "" {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Made by `%s` on %d processors (%s/%s); median of %d, peak memory of all.\n",
		o.command(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, o.runs)
	for _, w := range o.worlds {
		fmt.Fprintf(&b, "\n### From %s: %s\n\n%s%s", o.from.name, w, tableOf(o, w, results, markdown), byKind(w, results))
	}
	return os.WriteFile(o.markdown, []byte(b.String()), 0o644)
}
