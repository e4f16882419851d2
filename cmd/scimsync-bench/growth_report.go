package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	gotext "github.com/jedib0t/go-pretty/v6/text"
)

// growthTable returns the costs at one size.
func growthTable(w world, costs []cost, f form) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = gotext.FormatDefault
	t.AppendHeader(table.Row{
		"Stage", "Wall", "CPU", "CPU an object", "× the smallest", "Peak RSS", "Temporary files", "State file", "Its journal", "Requests",
	})
	for _, c := range costs {
		if c.world != w {
			continue
		}
		t.AppendRow(table.Row{
			c.stage, seconds(c.wall), seconds(c.cpu), fmt.Sprintf("%.1f µs", float64(c.each().Nanoseconds())/1e3),
			fmt.Sprintf("%.2f", c.ratio), mebibytes(c.rss), mebibytes(c.disk.temporary), mebibytes(c.state), mebibytes(c.disk.journal), c.requests,
		})
	}
	if f == markdown {
		return t.RenderMarkdown() + "\n"
	}
	return fmt.Sprintf("%s: %d objects\n%s\n", w, w.objects(), t.Render())
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// command is how the figures come about again.
func (g *growth) command() string {
	var sizes []string
	for _, w := range g.worlds {
		sizes = append(sizes, fmt.Sprint(w.users))
	}
	return "make growth USERS=" + strings.Join(sizes, ",")
}

func (g *growth) writeMarkdown(costs []cost) error {
	if g.markdown == "" {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Made by `%s` on %d processors (%s/%s). An object is a user, a group or a membership.\n",
		g.command(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	for _, w := range g.worlds {
		fmt.Fprintf(&b, "\n### %s\n\n%s", w, growthTable(w, costs, markdown))
	}
	return os.WriteFile(g.markdown, []byte(b.String()), 0o644)
}

func (g *growth) writeChart(costs []cost) error {
	if g.chart == "" {
		return nil
	}
	each := make([]result, len(costs))
	for i, c := range costs {
		each[i] = result{world: c.world, phase: c.stage, cpu: c.each(), rss: c.rss}
	}
	return drawing(
		g.chart,
		"Processor time an object, in µs", lines(each, func(r result) float64 { return float64(r.cpu.Nanoseconds()) / 1e3 }),
		"Peak memory in MiB", lines(each, func(r result) float64 { return float64(r.rss) / (1 << 20) }),
	)
}
