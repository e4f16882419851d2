package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/schedule"
	endpoints "github.com/scimsync/scimsync/agent/serve"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
)

// generation is a configuration and all that was made of it. Runs that are on
// when the next one comes into force end under their own.
type generation struct {
	cfg      *configs.Config
	syncs    []*configs.Sync // those the daemon runs
	conns    *connections
	announce *announcer
	// version stands for what the configuration says.
	version string
}

// load reads the configuration.
func (d *daemon) load() (*generation, error) {
	cfg, err := d.app.load()
	if err != nil {
		return nil, err
	}
	syncs, err := selectSyncs(cfg, d.names)
	if err != nil {
		return nil, err
	}
	shown, err := configs.Show(cfg)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(shown)
	g := &generation{cfg: cfg, syncs: syncs, conns: d.app.connect(cfg), version: hex.EncodeToString(sum[:8])}
	g.conns.traffic = d.metrics.Traffic
	g.conns.progress = func(string, *opened) agent.Progress { return silence{} }
	return g, nil
}

// silence is the progress of a run that nobody watches.
type silence struct{}

// Phase says nothing.
func (silence) Phase(string, int) {}

// Advance says nothing.
func (silence) Advance(int) {}

// install puts a generation into force.
func (d *daemon) install(g *generation) {
	g.announce = d.app.announcer(g.cfg, d.ledger, announcing{Sent: d.metrics.Notified, Daemon: true})
	version := g.version
	if d.reloads > 0 {
		// Whoever asks for a reload by hand wants a sync in quarantine tried.
		version = fmt.Sprintf("%s.%d", version, d.reloads)
	}
	d.inForce.Store(g)
	jobs := make([]schedule.Job, 0, len(g.syncs))
	for _, s := range g.syncs {
		jobs = append(jobs, schedule.Job{
			Name: s.Name, Schedule: s.Schedule, Missed: s.Missed, Version: version,
			Lanes: []string{"source:" + s.Source.Name, "target:" + s.Target.Name},
			Run:   d.job(g, s),
		})
	}
	d.scheduler.Replace(jobs)
	if d.server != nil {
		d.server.SetHooks(hooksOf(g))
	}
	d.metrics.Watch(d.state)
	d.recount()
	for _, s := range g.syncs {
		if s.Schedule == nil && hooksOf(g) == nil {
			d.log.Warn("the sync has no schedule and nothing can call it: it never runs", "sync", s.Name)
		}
	}
}

// hooksOf returns what may be called; nil where hooks are not configured.
func hooksOf(g *generation) *endpoints.Hooks {
	if g.cfg.Server == nil || g.cfg.Server.HookToken.IsZero() {
		return nil
	}
	h := &endpoints.Hooks{Token: g.cfg.Server.HookToken, Syncs: map[string]connectors.Hook{}}
	for _, s := range g.syncs {
		h.Syncs[s.Name] = s.Source.Type.Hook
	}
	return h
}

// reload reads the configuration anew and puts it into force, or says what is
// wrong with it and goes on with the one in force.
func (d *daemon) reload(why string) {
	if err := d.systemd.reloading(); err != nil {
		d.log.Debug("systemd was not told", "err", err)
	}
	defer func() { d.tell("READY=1"); d.summarize() }()
	// Looked at before it is read: a change in between is seen by the next look.
	d.watch.settle()
	g, err := d.load()
	d.metrics.Reloaded(time.Now(), err)
	if err != nil {
		d.log.Error("the configuration is refused; the one before stays in force", "why", why, "err", err)
		return
	}
	old := d.inForce.Load()
	g.conns.inherit(old.conns)
	for _, c := range restartsFor(old.cfg, g.cfg) {
		d.log.Warn("this change of the configuration needs a restart; the old value stays in force", "key", c)
	}
	d.install(g)
	d.lookAtEnds()
	d.log.Info("configuration reloaded", "why", why, "syncs", len(g.syncs), "added", missing(old, g), "removed", missing(g, old))
}

// restartsFor returns the keys that a reload cannot change and that differ.
func restartsFor(old, now *configs.Config) []string {
	var out []string
	if old.State != now.State {
		out = append(out, "state")
	}
	addr := func(c *configs.Config) string {
		if c.Server == nil {
			return ""
		}
		return c.Server.Addr
	}
	if addr(old) != addr(now) {
		out = append(out, "server.addr")
	}
	return out
}

// missing returns the names of the syncs of b that a does not have.
func missing(a, b *generation) []string {
	names := map[string]bool{}
	for _, s := range b.syncs {
		names[s.Name] = true
	}
	for _, s := range a.syncs {
		delete(names, s.Name)
	}
	return slices.Sorted(maps.Keys(names))
}
