package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/scimsync/scimsync/agent"
)

// progress returns what tells a person how far a sync has come: bars on a
// terminal, plain lines in a pipe.
func (a *app) progress(sync string, o *opened) agent.Progress {
	if file, ok := a.err.(*os.File); ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		return &bars{sync: sync, out: file, opened: o}
	}
	return &lines{app: a, sync: sync, opened: o, now: time.Now}
}

// endProgress ends what is still moving on the screen.
func (a *app) endProgress(o *opened) {
	if o == nil {
		o = a.current
	}
	if o == nil || o.Agent == nil {
		return
	}
	a.current = o
	if p, ok := o.Progress.(interface{ end() }); ok {
		p.end()
	}
}

// waits says how long the limiters of both sides have made us wait.
func waits(o *opened) string {
	var text strings.Builder
	for _, side := range [...]struct {
		name  string
		meter meter
	}{{"source", o.source}, {"target", o.target}} {
		if d := side.meter.waited().Round(time.Second); d > 0 {
			fmt.Fprintf(&text, ", waited %s for the %s's limits", d, side.name)
		}
	}
	return text.String()
}

// lines reports on a stream that is not a terminal: one line a phase, and one
// every ten seconds within it.
type lines struct {
	app    *app
	sync   string
	opened *opened
	now    func() time.Time

	mu           sync.Mutex
	phase        string
	total, done  int
	began, spoke time.Time
}

const speakEvery = 10 * time.Second

// Phase begins a phase.
func (l *lines) Phase(name string, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finish()
	l.phase, l.total, l.done = name, total, 0
	l.began, l.spoke = l.now(), l.now()
}

// Advance counts.
func (l *lines) Advance(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done += n
	if l.now().Sub(l.spoke) >= speakEvery {
		l.spoke = l.now()
		l.speak("")
	}
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finish()
	l.phase = ""
}

func (l *lines) finish() {
	if l.phase != "" && l.done > 0 {
		l.speak(" done")
	}
}

func (l *lines) speak(end string) {
	elapsed := l.now().Sub(l.began)
	text := fmt.Sprintf("%s: %s%s: %d", l.sync, l.phase, end, l.done)
	if l.total > 0 {
		text += fmt.Sprintf(" of %d", l.total)
	}
	if s := elapsed.Seconds(); s >= 1 {
		rate := float64(l.done) / s
		text += fmt.Sprintf(", %.0f/s", rate)
		if left := l.total - l.done; left > 0 && rate > 0 {
			text += fmt.Sprintf(", about %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
		}
	}
	l.app.say("%s", text+waits(l.opened))
}

// bars reports on a terminal.
type bars struct {
	sync   string
	out    *os.File
	opened *opened

	pool *mpb.Progress
	bar  *mpb.Bar
	open bool // the total is not known beforehand
}

// Phase begins a phase with a bar of its own.
func (b *bars) Phase(name string, total int) {
	b.finish()
	if b.pool == nil {
		b.pool = mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(30), mpb.WithRefreshRate(100*time.Millisecond))
	}
	label := decor.Name(fmt.Sprintf("%-40.40s ", name))
	wait := decor.Any(func(decor.Statistics) string { return waits(b.opened) })
	b.open = total == 0
	if b.open {
		b.bar = b.pool.New(0, mpb.SpinnerStyle(), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(label, decor.CurrentNoUnit("%d")), mpb.AppendDecorators(wait))
		return
	}
	b.bar = b.pool.New(int64(total), mpb.BarStyle(), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(label, decor.CountersNoUnit("%d/%d ")),
		mpb.AppendDecorators(decor.AverageSpeed(0, " %.0f/s"), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO), wait))
}

// Advance counts.
func (b *bars) Advance(n int) {
	if b.bar != nil {
		b.bar.IncrBy(n)
	}
}

func (b *bars) finish() {
	if b.bar == nil {
		return
	}
	b.bar.SetTotal(-1, true)
	b.bar.Abort(true)
	b.bar = nil
}

func (b *bars) end() {
	b.finish()
	if b.pool != nil {
		b.pool.Wait()
		b.pool = nil
	}
}
