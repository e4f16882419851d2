package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// The chart: two panels beside each other, both axes logarithmic, so that a cost
// that grows with the size is a straight line.
const (
	panelWidth  = 320
	panelHeight = 220
	margin      = 60
)

// line is one phase in a panel.
type line struct {
	name   string
	points [][2]float64 // users, value
}

func (o *options) writeChart(results []result) error {
	if o.chart == "" {
		return nil
	}
	wall := lines(results, func(r result) float64 { return r.wall.Seconds() })
	rss := lines(results, func(r result) float64 { return float64(r.rss) / (1 << 20) })
	return drawing(o.chart, fmt.Sprintf("Wall time in seconds, %s an answer", o.latency), wall, "Peak memory in MiB", rss)
}

// drawing writes two panels with one legend to a file.
func drawing(file, leftTitle string, left []line, rightTitle string, right []line) error {
	var b strings.Builder
	width, height := 2*(panelWidth+2*margin), panelHeight+2*margin+20*len(left)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	panel(&b, 0, leftTitle, left)
	panel(&b, panelWidth+2*margin, rightTitle, right)
	for i, l := range left {
		y := panelHeight + 2*margin + 20*i
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="16" height="4" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			margin, y-6, color(i), margin+24, y, l.name)
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func lines(results []result, value func(result) float64) []line {
	var out []line
	place := map[string]int{}
	for _, r := range results {
		i, ok := place[r.phase]
		if !ok {
			i = len(out)
			place[r.phase] = i
			out = append(out, line{name: r.phase})
		}
		out[i].points = append(out[i].points, [2]float64{float64(r.world.users), value(r)})
	}
	return out
}

func color(i int) string {
	palette := [...]string{"#1b6ca8", "#d1495b", "#66a182", "#edae49", "#6a4c93", "#2e4057", "#8d6a9f"}
	return palette[i%len(palette)]
}

// panel draws one panel whose frame begins margin right of x.
func panel(b *strings.Builder, x int, title string, ls []line) {
	lowX, highX, lowY, highY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range ls {
		for _, p := range l.points {
			lowX, highX = min(lowX, p[0]), max(highX, p[0])
			lowY, highY = min(lowY, p[1]), max(highY, p[1])
		}
	}
	lowX, highX = decade(lowX, math.Floor), decade(highX, math.Ceil)
	lowY, highY = decade(lowY, math.Floor), decade(highY, math.Ceil)
	if lowX == highX {
		highX *= 10
	}
	if lowY == highY {
		highY *= 10
	}
	at := func(v, low, high float64, span int) float64 {
		return float64(span) * (math.Log10(max(v, low)) - math.Log10(low)) / (math.Log10(high) - math.Log10(low))
	}
	left, bottom := float64(x+margin), float64(margin+panelHeight)
	fmt.Fprintf(b, `<text x="%.0f" y="%d" font-weight="bold">%s</text>`+"\n", left, margin-16, title)
	fmt.Fprintf(b, `<rect x="%.0f" y="%d" width="%d" height="%d" fill="none" stroke="#888"/>`+"\n", left, margin, panelWidth, panelHeight)
	for v := lowX; v <= highX*1.01; v *= 10 {
		px := left + at(v, lowX, highX, panelWidth)
		fmt.Fprintf(b, `<text x="%.1f" y="%.0f" text-anchor="middle">%s</text>`+"\n", px, bottom+18, short(v))
	}
	for v := lowY; v <= highY*1.01; v *= 10 {
		py := bottom - at(v, lowY, highY, panelHeight)
		fmt.Fprintf(b, `<line x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%.0f" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, left+panelWidth, py, py, left-6, py+4, short(v))
	}
	for i, l := range ls {
		var points []string
		for _, p := range l.points {
			px, py := left+at(p[0], lowX, highX, panelWidth), bottom-at(p[1], lowY, highY, panelHeight)
			points = append(points, fmt.Sprintf("%.1f,%.1f", px, py))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", px, py, color(i))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), color(i))
	}
}

// decade rounds to a power of ten.
func decade(v float64, round func(float64) float64) float64 {
	power := round(math.Log10(max(v, 1e-3)))
	return math.Pow(10, power)
}

func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%gk", v/1e3)
	case v < 1:
		return time.Duration(v * float64(time.Second)).String()
	}
	return fmt.Sprintf("%g", v)
}
