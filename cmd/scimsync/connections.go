package main

import (
	"fmt"
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
}

func (a *app) connect(cfg *configs.Config) *connections {
	return &connections{
		app: a, cfg: cfg, progress: a.progress,
		traffic: func(string, string) *connectors.Traffic { return &connectors.Traffic{} },
		sources: map[string]connection[connectors.Source]{},
		targets: map[string]connection[connectors.Target]{},
	}
}

// source returns an opened source.
func (c *connections) source(s *configs.Source) (connection[connectors.Source], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return opening(c, "source", s.Name, c.sources, func(rt connectors.Runtime) (connectors.Source, error) {
		return s.Type.Open(s.Settings, rt)
	})
}

// target returns an opened target.
func (c *connections) target(t *configs.Target) (connection[connectors.Target], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return opening(c, "target", t.Name, c.targets, func(rt connectors.Runtime) (connectors.Target, error) {
		return t.Type.Open(t.Settings, rt)
	})
}

// opening returns what is open, or opens it. A failure is not kept: the file it
// is about may be mended meanwhile.
func opening[T any](c *connections, side, name string, have map[string]connection[T],
	open func(connectors.Runtime) (T, error),
) (connection[T], error) {
	if one, ok := have[name]; ok {
		return one, nil
	}
	one := connection[T]{traffic: c.traffic(side, name)}
	var err error
	if one.is, err = open(c.app.runtime(side, name, one.traffic)); err != nil {
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
