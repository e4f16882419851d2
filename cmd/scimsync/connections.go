package main

import (
	"fmt"
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
)

// connection is an opened source or target and what counts its traffic.
type connection[T any] struct {
	is      T
	traffic *connectors.Traffic
}

// connections are the sources and targets of one configuration, each opened once,
// when it is first asked for, and shared by every sync that names it: what a
// limiter has learned and a token that was fetched are the connection's. Safe for
// concurrent use.
type connections struct {
	app *app
	cfg *configs.Config
	// traffic makes what counts the requests of a source or target.
	traffic func(side, name string) *connectors.Traffic
	// progress makes what is told how far a run has come.
	progress func(sync string, o *opened) agent.Progress

	mu      sync.Mutex
	sources map[string]connection[connectors.Source]
	targets map[string]connection[connectors.Target]
	// learned is kept by side and name, for as long as the settings stay.
	learned map[string]lesson
}

// lesson is what was learned about a source or target with these settings.
type lesson struct {
	settings any
	learned  *connectors.Learned
}

func (a *app) connect(cfg *configs.Config) *connections {
	return &connections{
		app: a, cfg: cfg, progress: a.progress,
		traffic: func(string, string) *connectors.Traffic { return &connectors.Traffic{} },
		sources: map[string]connection[connectors.Source]{},
		targets: map[string]connection[connectors.Target]{}, learned: map[string]lesson{},
	}
}

// inherit takes over what was learned under an earlier configuration about sources
// and targets whose settings, the credential's place among them, are the same: a
// reload does not begin to learn anew, and runs that are still on under the
// earlier one count with those of this one. Connections and secrets are not taken
// over, for the files behind them may have changed. It is called before anything
// is opened.
func (c *connections) inherit(old *connections) {
	old.mu.Lock()
	defer old.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.learned, old.learned)
}

// lessons returns what was learned with these settings, or begins to learn. The
// caller holds mu. Two names never share, even for one address: a limit is that
// of a client, and whoever gives two names gives two credentials, or has reasons
// for two paces.
func (c *connections) lessons(side, name string, settings any) *connectors.Learned {
	key := side + ":" + name
	known, ok := c.learned[key]
	if !ok || !reflect.DeepEqual(known.settings, settings) {
		known = lesson{settings: settings, learned: &connectors.Learned{}}
		c.learned[key] = known
	}
	return known.learned
}

// source returns an opened source.
func (c *connections) source(s *configs.Source) (connection[connectors.Source], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return opening(c, "source", s.Name, s.Settings, c.sources, func(rt connectors.Runtime) (connectors.Source, error) {
		return s.Type.Open(s.Settings, rt)
	})
}

// target returns an opened target.
func (c *connections) target(t *configs.Target) (connection[connectors.Target], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return opening(c, "target", t.Name, t.Settings, c.targets, func(rt connectors.Runtime) (connectors.Target, error) {
		return t.Type.Open(t.Settings, rt)
	})
}

// opening returns what is open, or opens it. A failure is not kept: the file it
// is about may be mended meanwhile.
func opening[T any](c *connections, side, name string, settings any, have map[string]connection[T],
	open func(connectors.Runtime) (T, error),
) (connection[T], error) {
	if one, ok := have[name]; ok {
		return one, nil
	}
	one := connection[T]{traffic: c.traffic(side, name)}
	var err error
	rt := c.app.runtime(side, name, one.traffic)
	rt.Learned = c.lessons(side, name, settings)
	if one.is, err = open(rt); err != nil {
		return connection[T]{}, fmt.Errorf("%s %s: %w", side, name, err)
	}
	have[name] = one
	return one, nil
}

// opened is a sync that is ready to run, and what counts its traffic.
type opened struct {
	*agent.Agent
	source, target meter
}

// meter reads the waits of a connection from a moment on.
type meter struct {
	traffic *connectors.Traffic
	before  time.Duration
}

func newMeter(t *connectors.Traffic) meter { return meter{traffic: t, before: t.Waited()} }

// waited returns how long the limiters have made us wait since.
func (m meter) waited() time.Duration { return m.traffic.Waited() - m.before }

// open prepares the agent of one sync.
func (c *connections) open(s *configs.Sync, l *ledger.Ledger) (*opened, error) {
	source, err := c.source(s.Source)
	if err != nil {
		return nil, err
	}
	target, err := c.target(s.Target)
	if err != nil {
		return nil, err
	}
	o := &opened{source: newMeter(source.traffic), target: newMeter(target.traffic)}
	o.Agent = &agent.Agent{
		Sync: s, Source: source.is, Target: target.is, Ledger: l,
		Fields: fields(c.cfg, s.Source), Siblings: siblings(c.cfg, s.Source),
		Keep: time.Duration(c.cfg.History.Keep),
		Log:  c.app.log, Progress: c.progress(s.Name, o), Now: c.app.now,
	}
	return o, nil
}

func (a *app) runtime(side, name string, traffic *connectors.Traffic) connectors.Runtime {
	return connectors.Runtime{
		Log: a.log.With(side, name), UserAgent: "scimsync/" + version, Traffic: traffic,
	}
}
