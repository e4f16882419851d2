package main

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
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
	t.AppendHeader(table.Row{
		"Phase", "Wall", "Critical", "×", "Bare", "×",
		"Source req. (least)", "Target req. (least)", "Writes", "Commits a write", "429", "Limit used", "Peak RSS",
	})
	for _, r := range results {
		if r.world != w {
			continue
		}
		s := r.sample
		row := table.Row{r.phase, seconds(r.wall), seconds(s.critical), ratio(r.wall, s.critical), "-", "-"}
		if s.floor > 0 {
			row[4], row[5] = seconds(s.floor), ratio(r.wall, s.floor)
		}
		limit := "-"
		if o.rate > 0 && s.Target.total() > int(o.rate) {
			limit = percent(float64(s.Target.total()-s.Target.Statuses[http.StatusTooManyRequests]) / (o.rate * r.wall.Seconds()))
		}
		row = append(
			row,
			fmt.Sprintf("%d (%d)", s.Source.total(), r.source), fmt.Sprintf("%d (%d)", s.Target.total(), r.target),
			writes(s.Target), perWrite(s), percent(share(s.Target)), limit, fmt.Sprintf("%.0f MiB", float64(r.rss)/(1<<20)),
		)
		t.AppendRow(row)
	}
	if f == markdown {
		return t.RenderMarkdown() + "\n"
	}
	return fmt.Sprintf("%s, %s an answer\n%s\n", w, o.latency, t.Render())
}

// share returns the part of a side's answers that said "slow down".
func share(t tally) float64 {
	if t.total() == 0 {
		return 0
	}
	return float64(t.Statuses[http.StatusTooManyRequests]) / float64(t.total())
}

// perWrite returns how often the disk was waited for, for each write.
func perWrite(s sample) string {
	if n := writes(s.Target); n >= 10 {
		return fmt.Sprintf("%.3f", float64(s.commits)/float64(n))
	}
	return "-"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func percent(f float64) string { return fmt.Sprintf("%.1f%%", 100*f) }

func ratio(a, b time.Duration) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a.Seconds()/b.Seconds())
}

// command is how the figures come about again.
func (o *options) command() string {
	var sizes []string
	for _, w := range o.worlds {
		sizes = append(sizes, fmt.Sprint(w.users))
	}
	return fmt.Sprintf("make bench USERS=%s LATENCY=%s RATE=%g RUNS=%d", strings.Join(sizes, ","), o.latency, o.rate, o.runs)
}

func (o *options) writeMarkdown(results []result) error {
	if o.markdown == "" {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Made by `%s` on %d processors (%s/%s); median of %d, peak memory of all.\n",
		o.command(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, o.runs)
	for _, w := range o.worlds {
		fmt.Fprintf(&b, "\n### %s\n\n%s", w, tableOf(o, w, results, markdown))
	}
	return os.WriteFile(o.markdown, []byte(b.String()), 0o644)
}
