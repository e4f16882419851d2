package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// result is a phase of a world, at its median.
type result struct {
	world   world
	phase   string
	wall    time.Duration
	rss     int64
	cpu     time.Duration
	sample  sample
	changed int
	source  int // least requests
	target  int
}

// measure measures every world and writes what came of it.
func (o *options) measure(ctx context.Context) error {
	if _, err := os.Stat(o.binary); err != nil {
		return fmt.Errorf("%w: build it first (make build)", err)
	}
	var results []result
	for _, w := range o.worlds {
		got, err := o.measureWorld(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w, err)
		}
		results = append(results, got...)
		fmt.Fprint(os.Stdout, tableOf(o, w, got, text))
	}
	return errors.Join(o.writeMarkdown(results), o.writeChart(results))
}

func (o *options) measureWorld(ctx context.Context, w world) ([]result, error) {
	all := phases(o.from)
	if o.rate > 0 { // one run would wait for what another takes of the rate
		all = slices.DeleteFunc(all, func(p phase) bool { return p.beside != nil })
	}
	samples := make([][]sample, len(all))
	for i := range o.runs {
		fmt.Fprintf(os.Stderr, "%s: run %d of %d\n", w, i+1, o.runs)
		if err := o.measureOnce(ctx, w, all, samples); err != nil {
			return nil, err
		}
	}
	out := make([]result, len(all))
	for i, p := range all {
		r := result{world: w, phase: p.name, changed: p.changed(w), sample: median(samples[i])}
		r.wall, r.rss, r.cpu = r.sample.wall, r.sample.rss, r.sample.cpu
		held := world{users: r.sample.Users, groups: r.sample.Groups, memberships: r.sample.Memberships}
		r.source, r.target = p.least(w, held, r.changed)
		out[i] = r
	}
	return out, nil
}

// measureOnce runs every phase once in a new world.
func (o *options) measureOnce(ctx context.Context, w world, all []phase, samples [][]sample) error {
	s, err := startServers(ctx, o, w)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }() // it has nothing to lose
	a, err := newAgent(o, s)
	if err != nil {
		return err
	}
	defer func() { _ = a.close() }() // what stays is the system's to clear
	r := &rig{servers: s, agent: a, world: w, o: o}
	for i, p := range all {
		got, err := r.measure(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		samples[i] = append(samples[i], got)
	}
	return nil
}

// median returns the sample with the median wall time, and the largest memory of
// all.
func median(samples []sample) sample {
	sorted := slices.SortedFunc(slices.Values(samples), func(a, b sample) int { return int(a.wall - b.wall) })
	m := sorted[len(sorted)/2]
	for _, s := range samples {
		m.rss = max(m.rss, s.rss)
	}
	return m
}
